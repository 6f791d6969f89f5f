-- Small row groups: a row may hold several vectors of a few kilobytes.
COPY (
  SELECT features.*, $model::VARCHAR AS model, $mode::VARCHAR AS mode, provenance.pool_version,
    $partition::VARCHAR AS partition
  FROM {{features}} AS features
  LEFT JOIN provenance
    ON provenance.entity_type = features.entity_type AND provenance.entity_id = features.entity_id
  ORDER BY features.entity_type, features.entity_id
) TO $path (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480);
