CREATE MACRO stored_vector(v) AS v;
