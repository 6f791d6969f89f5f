SELECT
  (SELECT count(*) FROM features_0)::INTEGER AS entities,
  (SELECT count(*) FROM texts WHERE error IS NULL AND text IS NOT NULL)::INTEGER AS usable,
  (SELECT count(*) FROM texts WHERE error IS NOT NULL OR text IS NULL)::INTEGER AS failed,
  (
    SELECT count(*) FROM texts
    WHERE error IS NULL AND text IS NOT NULL
      AND NOT EXISTS (
        FROM features_0
        WHERE features_0.entity_type = texts.entity_type AND features_0.entity_id = texts.entity_id
      )
  )::INTEGER AS orphans,
  (
    SELECT count(*) FROM entity_cohorts
    WHERE NOT EXISTS (
      FROM features_0
      WHERE features_0.entity_type = entity_cohorts.entity_type AND features_0.entity_id = entity_cohorts.entity_id
    )
  )::INTEGER AS strangers;
