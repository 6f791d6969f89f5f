-- What the stages warned of when they ran last.
SELECT stage, unnest((content -> '$.lastRun.warnings')::VARCHAR[]) AS warning
FROM manifests
ORDER BY place;
