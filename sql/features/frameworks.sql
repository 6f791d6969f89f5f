SELECT DISTINCT framework FROM texts ORDER BY framework;
