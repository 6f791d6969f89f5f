copy (
  select entity_type, entity_id, cohort, distance
  from cohorts
  order by entity_type, entity_id
) to $path (format parquet, compression zstd);
