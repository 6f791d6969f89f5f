/** What each figure of a report has to be, by its name: queries on the tables and manifests of a partition. */
import { Duck } from '../../src/lake/duck.js';
import { allTableNames, type Lake, tableNames } from '../../src/lake/lake.js';

/** The rows `key` (a list, as JSON) and `value` of each figure. */
const queries: Readonly<Record<string, string>> = {
  'summary.texts': `SELECT count(text) AS value FROM texts`,
  'summary.output_tokens': `SELECT sum(len(output_token_ids)) AS value FROM texts`,
  'summary.tokens_per_step': `SELECT sum(emitted_tokens) / sum(decode_steps) AS value FROM texts`,
  'summary.relaxed_share': `SELECT sum(relaxed_tokens) / sum(len(output_token_ids)) AS value FROM texts`,
  'summary.divergence_mean': `SELECT sum(divergence) / count(text) AS value FROM texts`,
  'summary.seconds': `SELECT sum(s) AS value FROM (SELECT unnest([${tableNames.map(
    (table) => `(SELECT m.lastRun.seconds FROM ${table}_manifest AS m)`,
  )}]) AS s)`,
  'summary.users': `SELECT count(*) FILTER (entity_type = 'user') AS value FROM features`,
  'summary.items': `SELECT count(*) FILTER (entity_type = 'item') AS value FROM features`,
  'summary.user_cohorts': `SELECT len(list_distinct(list(cohort))) AS value FROM features WHERE entity_type = 'user'`,
  'summary.item_cohorts': `SELECT len(list_distinct(list(cohort))) AS value FROM features WHERE entity_type = 'item'`,
  'summary.prompts': `SELECT count(prompt) AS value FROM prompts`,
  'summary.features': `SELECT count(*) AS value FROM features`,
  'comparison.prompts': `SELECT m.lastRun.comparison.prompts AS value FROM texts_manifest AS m`,
  'comparison.speedup': `SELECT m.lastRun.comparison.speedup AS value FROM texts_manifest AS m`,
  'comparison.tokens_per_second': `SELECT m.lastRun.comparison.tokensPerSecond AS value FROM texts_manifest AS m`,
  'comparison.autoregressive': `SELECT m.lastRun.comparison.autoregressiveTokensPerSecond AS value FROM texts_manifest AS m`,
  'stage.rows': `SELECT unnest([
      {key: '["segment"]', value: (SELECT count(*) FROM cohorts)},
      {key: '["prompts"]', value: (SELECT count(*) FROM prompts)},
      {key: '["pools"]', value: (SELECT m.texts FROM pools_manifest AS m)},
      {key: '["decode"]', value: (SELECT count(*) FROM texts)},
      {key: '["publish"]', value: (SELECT count(*) FROM features)}
    ], recursive := true)`,
  'stage.seconds': tableNames
    .map(
      (table) => `SELECT json_array(m.stage) AS key, m.lastRun.seconds AS value FROM ${table}_manifest AS m`,
    )
    .join(' UNION ALL '),
  'phase.seconds': `SELECT unnest([
      {key: '["load"]', value: m.lastRun.phases.loading},
      {key: '["draft"]', value: m.statistics.draft / 1000},
      {key: '["prompts"]', value: m.statistics.prefill / 1000},
      {key: '["model"]', value: m.statistics.steps / 1000},
      {key: '["verify"]', value: m.statistics.verify / 1000},
      {key: '["loop"]', value: (m.statistics.busy - m.statistics.draft - m.statistics.prefill - m.statistics.steps
        - m.statistics.verify) / 1000},
      {key: '["beside"]', value: m.lastRun.phases.decoding - m.statistics.busy / 1000},
      {key: '["write"]', value: m.lastRun.phases.writing}
    ], recursive := true) FROM texts_manifest AS m`,
  'drafts.texts': `SELECT count(text) AS value FROM texts`,
  'acceptance.texts': `SELECT count(text) AS value FROM texts`,
  'depth.drafted': `SELECT json_array(i) AS key, m.statistics.byDepth.drafted[i] AS value FROM texts_manifest AS m, range(1, 33) AS r(i) WHERE value > 0`,
  'depth.accepted': `SELECT json_array(i) AS key, m.statistics.byDepth.accepted[i] AS value FROM texts_manifest AS m, range(1, 33) AS r(i) WHERE m.statistics.byDepth.drafted[i] > 0`,
  'depth.share': `SELECT json_array(i) AS key, m.statistics.byDepth.accepted[i] / m.statistics.byDepth.drafted[i] AS value FROM texts_manifest AS m, range(1, 33) AS r(i) WHERE m.statistics.byDepth.drafted[i] > 0`,
  'match.steps': `SELECT json_array(i) AS key, m.statistics.byMatch.steps[i + 1] AS value FROM texts_manifest AS m, range(17) AS r(i) WHERE value > 0`,
  'match.rows_per_step': `SELECT json_array(i) AS key, m.statistics.byMatch.rows[i + 1] / m.statistics.byMatch.steps[i + 1] AS value FROM texts_manifest AS m, range(17) AS r(i) WHERE m.statistics.byMatch.steps[i + 1] > 0`,
  'match.accepted_per_step': `SELECT json_array(i) AS key, m.statistics.byMatch.accepted[i + 1] / m.statistics.byMatch.steps[i + 1] AS value FROM texts_manifest AS m, range(17) AS r(i) WHERE m.statistics.byMatch.steps[i + 1] > 0`,
  'match.share': `SELECT json_array(i) AS key, m.statistics.byMatch.accepted[i + 1] / m.statistics.byMatch.rows[i + 1] AS value FROM texts_manifest AS m, range(17) AS r(i) WHERE m.statistics.byMatch.steps[i + 1] > 0`,
  'framework.texts': ofFrameworks('count(text)'),
  'framework.prompt_tokens': ofFrameworks('mean(prompt_tokens)'),
  'framework.output_tokens': ofFrameworks('mean(len(output_token_ids))'),
  'framework.tokens_per_step': ofFrameworks('sum(emitted_tokens) / sum(decode_steps)'),
  'framework.accepted_share': ofFrameworks('sum(accepted_tokens) / sum(drafted_tokens)'),
  'framework.relaxed_share': ofFrameworks('sum(relaxed_tokens) / sum(len(output_token_ids))'),
  'divergence.texts': `SELECT count(*) AS value FROM texts WHERE relaxed_tokens > 0`,
  'divergence.median': `SELECT median(divergence) AS value FROM texts`,
  'divergence.p90': `SELECT quantile_cont(divergence, 0.9) AS value FROM texts`,
  'divergence.most': `SELECT max(divergence) AS value FROM texts`,
  'divergence.budget': `SELECT m.run."decode.divergenceBudget"::DOUBLE AS value FROM texts_manifest AS m`,
  'bin.low': `SELECT json_array(bin) AS key, (bin - 1) * (SELECT max(divergence) FROM texts) / 16 AS value FROM bins WHERE bin > 0`,
  'bin.high': `SELECT json_array(bin) AS key, bin * (SELECT max(divergence) FROM texts) / 16 AS value FROM bins`,
  'bin.texts': `SELECT json_array(bin) AS key, texts AS value FROM bins`,
  'cohort.entities': `SELECT json_array(entity_type, cohort) AS key, count(*) AS value FROM features GROUP BY ALL`,
  'cohort.texts': `SELECT json_array(entity_type, cohort) AS key, count(kar) AS value FROM features GROUP BY ALL`,
  'cohort.tokens_per_step': ofCohorts('sum(emitted_tokens) / sum(decode_steps)'),
  'cohort.divergence_mean': ofCohorts('mean(divergence)'),
  'trait.share': `SELECT key, share AS value FROM traits`,
  'trait.overall': `SELECT key, overall AS value FROM traits`,
  'relaxed.relaxed_tokens': ofTexts('relaxed_tokens'),
  'relaxed.output_tokens': ofTexts('len(output_token_ids)'),
  'relaxed.divergence': ofTexts('divergence'),
  'slowest.prompt_tokens': ofTexts('prompt_tokens'),
  'slowest.output_tokens': ofTexts('len(output_token_ids)'),
  'slowest.decode_steps': ofTexts('decode_steps'),
  'slowest.tokens_per_step': ofTexts('emitted_tokens / decode_steps'),
  'evaluation.prompts': `SELECT m.prompts AS value FROM evaluation_manifest AS m`,
  'evaluation.ratings': `SELECT m.downstream.ratings AS value FROM evaluation_manifest AS m`,
  'evaluation.seeds': `SELECT m.downstream.seeds AS value FROM evaluation_manifest AS m`,
  ...ofEvaluation('json_array(setting, entity_type, framework)', 'entity_type IS NOT NULL', [
    'texts',
    'tokens_per_step',
    'same_texts',
    'rouge_l',
    'divergence_mean',
    'divergence_max',
    'perplexity',
    'vector_distance',
    'entity_distance',
  ]),
  ...ofEvaluation('json_array(setting)', 'auc IS NOT NULL', ['auc', 'log_loss']),
  ...ofEvaluation('json_array(setting)', `entity_type IS NULL AND setting <> 'autoregressive'`, [
    'auc_difference',
    'auc_low',
    'auc_high',
  ]),
  'pair.relaxed_tokens': ofPairs('len(pair.relaxedPositions)'),
  'pair.divergence': ofPairs('pair.divergence'),
  'pair.alike': ofPairs(
    `(SELECT min(i) - 1 FROM range(1, greatest(len(pair.relaxed), len(pair.autoregressive)) + 2) AS r(i)
      WHERE nullif(substr(pair.relaxed, i, 1), '') IS DISTINCT FROM nullif(substr(pair.autoregressive, i, 1), ''))`,
  ),
  'ending.texts': `SELECT json_array(finish_reason) AS key, count(*) AS value FROM texts GROUP BY ALL`,
};

function ofFrameworks(value: string): string {
  return `SELECT json_array(framework, entity_type) AS key, ${value} AS value FROM texts GROUP BY framework, entity_type`;
}

function ofCohorts(value: string): string {
  return `SELECT json_array(entity_type, cohort) AS key, ${value} AS value FROM texts GROUP BY entity_type, cohort`;
}

function ofEvaluation(key: string, where: string, columns: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    columns.map((column) => [
      `evaluation.${column}`,
      `SELECT ${key} AS key, ${column} AS value FROM evaluation WHERE ${where}`,
    ]),
  );
}

function ofPairs(value: string): string {
  return `SELECT json_array(pair.promptId) AS key, ${value} AS value FROM (SELECT unnest(m.pairs) AS pair FROM evaluation_manifest AS m)`;
}

function ofTexts(value: string): string {
  return `SELECT json_array(prompt_id) AS key, ${value} AS value FROM texts`;
}

/**
 * The value of every figure of a partition: name and key -> value.
 * @param folder that of the inputs
 */
export async function expectedFigures(
  lake: Lake,
  partition: string,
  folder: string,
): Promise<Map<string, number>> {
  const duck = await Duck.open({ threads: 1 });
  try {
    for (const table of allTableNames) {
      const manifest = `${lake.dir(table, partition)}/_manifest.json`;
      await duck.run(`CREATE VIEW ${table}_manifest AS SELECT * FROM read_json('${manifest}')`);
      if (table === 'pools') continue;
      const file = lake.file(table, partition);
      await duck.run(
        `CREATE VIEW ${table} AS SELECT * FROM read_parquet('${file}', hive_partitioning = false)`,
      );
    }
    await duck.run(`CREATE VIEW bins AS
      SELECT ceil(16 * divergence / (SELECT max(divergence) FROM texts))::INTEGER AS bin, count(*) AS texts
      FROM texts GROUP BY bin`);
    await duck.run(
      `CREATE VIEW movies AS SELECT * FROM read_csv('${folder}/movies.csv', all_varchar = true)`,
    );
    // every value of an item's columns, under the names that the configuration has for them
    await duck.run(`CREATE VIEW described AS
      SELECT * FROM (
        UNPIVOT (
          SELECT movie_id, title, year, genre, director, source, creative_type AS type, mpaa_rating AS rated FROM movies
        ) ON title, year, genre, director, source, type, rated INTO NAME attribute VALUE value
      )`);
    await duck.run(`CREATE TABLE held AS
      SELECT 'item' AS entity_type, cohort, attribute, value
      FROM features JOIN described ON item_id::VARCHAR = movie_id
      UNION ALL
      SELECT 'user', cohort, 'likes ' || attribute, value
      FROM read_csv('${folder}/ratings.csv', all_varchar = true) AS ratings
      JOIN described USING (movie_id) JOIN features ON features.user_id::VARCHAR = ratings.user_id
      WHERE rating::DOUBLE >= 4`);
    await duck.run(`CREATE VIEW traits AS
      SELECT json_array(entity_type, cohort, attribute, value) AS key,
        count(*) / (SELECT count(*) FROM held AS o
          WHERE (o.entity_type, o.cohort, o.attribute) = (h.entity_type, h.cohort, h.attribute)) AS share,
        (SELECT count(*) FROM held AS o
          WHERE (o.entity_type, o.attribute, o.value) = (h.entity_type, h.attribute, h.value))
          / (SELECT count(*) FROM held AS o WHERE (o.entity_type, o.attribute) = (h.entity_type, h.attribute)) AS overall
      FROM held AS h GROUP BY entity_type, cohort, attribute, value`);
    const expected = new Map<string, number>();
    for (const [name, sql] of Object.entries(queries)) {
      for (const { key, value } of await duck.rows(sql)) {
        if (value !== null) expected.set(`${name} ${key ?? '[]'}`, Number(value));
      }
    }
    return expected;
  } finally {
    duck.close();
  }
}
