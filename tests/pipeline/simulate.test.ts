import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { packageRoot } from '../../src/paths.js';
import type { SimulationRow } from '../../src/simulate/simulate.js';
import type { CommandResult } from '../../src/stage.js';
import { TextModel } from '../../src/text/tokenizer.js';
import { dare, resultOf } from '../cli/spawn.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { runHere, writeParquet } from '../simulate/fixture.js';

const tokenizer = join(packageRoot, 'data-samples', 'model');

const poolTexts = (root: string) =>
  writeParquet(
    join(root, 'pool.parquet'),
    `select 'item' as entity_type, i::varchar as entity_id, 'c' || i % 2 as cohort,
       'Genre: a drama about love. Mood: warm and number ' || i || '.' as text from range(20) t(i)`,
  );

const held = (root: string) =>
  writeParquet(
    join(root, 'held.parquet'),
    `select 'item' as entity_type, (100 + i)::varchar as entity_id, 'c' || i % 2 as cohort, 'kar' as framework,
       'Describe movie ' || i as prompt, 'Genre: a drama about love. Mood: warm and bright.' as text
     from range(10) t(i)`,
  );

type Result = CommandResult & { results: SimulationRow[] };

const command = (texts: string, pool: string, more: string[]) => [
  'simulate',
  '--texts',
  texts,
  '--pool-texts',
  pool,
  '--tokenizer',
  tokenizer,
  ...more,
];

const simulate = async (texts: string, pool: string, ...more: string[]) =>
  (await runHere(command(texts, pool, more))) as Result;

test('tokens a step by source and budget: a table, Parquet, a line of JSON', () =>
  inFolder(async (root) => {
    const out = join(root, 'results', 'r.parquet');
    const finished = await dare(
      command(await held(root), await poolTexts(root), ['--nodes', '4,16', '--peers', '--out', out]),
    );
    const { code, stderr } = finished;
    assert.is(code, 0, stderr);
    const result = resultOf(finished) as Result;
    assert.equal([result.stage, result.texts, result.poolTexts, result.warnings], ['simulate', 10, 20, []]);
    const rate = (source: string, nodes: number) =>
      result.results.find((row) => row.source === source && row.nodes === nodes)?.tokensPerStep as number;
    assert.is(rate('none', 16), 1);
    for (const source of ['shared', 'cohort', 'mixed', 'rest', 'laser', 'suffix-decoding'])
      assert.ok(rate(source, 16) > 2, source);
    assert.ok(rate('mixed', 16) >= rate('mixed', 4));
    assert.ok(rate('prompt', 16) < rate('shared', 16));
    for (const { entity, framework, mode, draftMicrosPerToken } of result.results) {
      assert.equal([entity, framework, mode], ['item', null, 'greedy']);
      assert.ok((draftMicrosPerToken ?? 0) > 0);
    }
    assert.match(stderr, /source +entity +n-gram +pool texts +nodes +texts +tokens a step/);
    assert.equal(result.files, [out]);
    const duck = await Duck.open();
    const rows = await duck.rows('from read_parquet($out)', { out });
    duck.close();
    assert.equal(
      rows.map((row) =>
        JSON.parse(JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? Number(value) : value))),
      ),
      result.results.map((row) =>
        Object.fromEntries(
          Object.keys(rows[0] as object).map((key) => [key, row[key as keyof SimulationRow]]),
        ),
      ),
    );
  }));

test('pool sizes, n-gram lengths and groups each have lines of their own', () =>
  inFolder(async (root) => {
    const result = await simulate(
      await held(root),
      await poolTexts(root),
      ...['--sources', 'shared,prompt', '--ngrams', '3,6', '--pool-sizes', '5,1000', '--nodes', '8'],
      ...['--by', 'framework,cohort', '--limit', '6'],
    );
    assert.is(result.texts, 6);
    const labels = result.results.map(({ source, ngram, poolTexts: size }) => `${source} ${ngram} ${size}`);
    assert.equal(
      [...new Set(labels)],
      ['prompt null null', 'shared 3 5', 'shared 6 5', 'shared 3 20', 'shared 6 20'],
    );
    assert.equal([...new Set(result.results.map(({ entity }) => entity))], [null]);
    assert.equal([...new Set(result.results.map(({ framework }) => framework))], ['kar']);
    assert.is(new Set(result.results.map(({ cohort }) => cohort)).size, 2);
    const sum = result.results.filter(({ ngram, poolTexts: size }) => ngram === 6 && size === 5);
    assert.is(
      sum.reduce((texts, row) => texts + row.texts, 0),
      6,
    );
  }));

test('foreign texts: no prompt, no cohort, no entity, no ids', () =>
  inFolder(async (root) => {
    const texts = await writeParquet(
      join(root, 't.parquet'),
      `select 'It was a dark and stormy night.' as text from range(3)`,
    );
    const pool = await writeParquet(
      join(root, 'p.parquet'),
      `select 'It was a dark and quiet night.' as text`,
    );
    const result = await simulate(texts, pool, '--nodes', '8');
    assert.equal(result.warnings, []);
    const rate = (source: string) =>
      result.results.find((row) => row.source === source)?.tokensPerStep as number;
    assert.ok(rate('shared') > 1.3);
    assert.is(rate('cohort'), rate('prompt'), 'there are no cohorts');
    assert.is(rate('mixed'), rate('shared'));
    assert.equal(new Set(result.results.map(({ entity }) => entity)), new Set([null]));
  }));

test('prompts of their own, and those of a file of prompts, are drafted from', () =>
  inFolder(async (root) => {
    const pool = await poolTexts(root);
    const text = 'The Quiet Zebra Of Katmandu is a movie.';
    const bare = await writeParquet(join(root, 'bare.parquet'), `select 7 as prompt_id, '${text}' as text`);
    const file = await writeParquet(
      join(root, 'prompts.parquet'),
      `select '7' as prompt_id, [{role: 'user', content: 'Describe The Quiet Zebra Of Katmandu'}] as messages`,
    );
    const own = await writeParquet(
      join(root, 'own.parquet'),
      `select '${text}' as text, 'Describe The Quiet Zebra Of Katmandu' as prompt`,
    );
    const rate = async (texts: string, ...more: string[]) =>
      (await simulate(texts, pool, '--sources', 'prompt', '--nodes', '8', ...more)).results[0]?.tokensPerStep;
    const without = (await rate(bare)) as number;
    const joined = (await rate(bare, '--prompts', file)) as number;
    assert.ok(joined > without, `${joined} ${without}`);
    assert.is(await rate(own), joined);
  }));

test('second-best tokens are accepted in rows of their own, within the budget', () =>
  inFolder(async (root) => {
    const text = 'It was a quiet night.';
    const pool = await writeParquet(join(root, 'p.parquet'), `select '${text}' as text from range(5)`);
    const ids = [...TextModel.load(tokenizer).encodeText(text)];
    // the model preferred another third token to that of the pool, by half a nat
    const recorded = ids.map((id, i) => (i === 2 ? id + 1 : id));
    const list = (of: (id: number, i: number) => number | null) =>
      `[${ids.map((id, i) => of(id, i) ?? 'null').join(', ')}]`;
    const texts = await writeParquet(
      join(root, 't.parquet'),
      `select 'other' as text, [${recorded.join(', ')}] as output_token_ids,
         ${list((id, i) => (i === 2 ? id : null))} as second_ids, ${list((_, i) => (i === 2 ? 0.5 : null))} as second_costs`,
    );
    const options = ['--sources', 'mixed', '--nodes', '16'];
    const { results } = await simulate(texts, pool, ...options);
    assert.equal(
      results.map(({ mode, tokens, relaxedTokens, divergence }) => [mode, tokens, relaxedTokens, divergence]),
      [
        ['greedy', ids.length + 1, 0, 0],
        ['relaxed', ids.length + 1, 1, 0.5],
      ],
    );
    const [greedy, relaxed] = results as [SimulationRow, SimulationRow];
    assert.ok(relaxed.steps < greedy.steps);
    const thrifty = await simulate(texts, pool, ...options, '--divergence-budget', '0.25');
    assert.equal(
      thrifty.results.map(({ steps }) => steps),
      [greedy.steps, greedy.steps],
    );
  }));

test('the speedup is predicted from a cost table', () =>
  inFolder(async (root) => {
    const costs = join(root, 'costs.json');
    const table = {
      batch: [1, 8],
      rows: [1, 17],
      milliseconds: [
        [10, 26],
        [20, 36],
      ],
      host: 0.5,
      draft: 0.25,
    };
    writeFileSync(costs, JSON.stringify(table));
    const texts = await held(root);
    const pool = await poolTexts(root);
    const options = ['--sources', 'none,mixed', '--nodes', '16', '--costs', costs];
    const result = await simulate(texts, pool, ...options, '--batch', '1');
    const [none, mixed] = result.results as [SimulationRow, SimulationRow];
    assert.is(result.batch, 1);
    assert.ok(Math.abs((none.millisecondsPerToken as number) - 10.5) < 1e-9);
    assert.is(none.speedup, 1);
    // every step has a draft here
    const rows = 1 + mixed.draftedTokens / mixed.steps;
    const step = 10 + (rows - 1) + 0.5 * rows + 0.25;
    const expected = (10.5 * (mixed.tokensPerStep as number)) / step;
    assert.ok(Math.abs((mixed.speedup as number) / expected - 1) < 1e-9);
    const together = await simulate(texts, pool, ...options);
    assert.is(together.batch, 8, "the table's largest");
    const [single] = together.results as [SimulationRow];
    assert.ok(Math.abs((single.millisecondsPerToken as number) - (20 / 8 + 0.5)) < 1e-9);
    const error = await errorOf(() => simulate(texts, pool, '--costs', join(root, 'none.json')));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /none\.json/);
  }));

test('a text that was cut off has no end', () =>
  inFolder(async (root) => {
    const pool = await poolTexts(root);
    const tokens = async (reason: string) => {
      const select = `select 'A drama' as text, ${reason} as finish_reason`;
      const texts = await writeParquet(join(root, 't.parquet'), select);
      return (await simulate(texts, pool, '--sources', 'none', '--nodes', '8')).results[0]?.tokens;
    };
    const { length } = TextModel.load(tokenizer).encodeText('A drama');
    for (const reason of ["'stop'", 'null']) assert.is(await tokens(reason), length + 1);
    for (const reason of ["'length'", "'context'"]) assert.is(await tokens(reason), length);
  }));

test('who or what is in the pools too is warned of', () =>
  inFolder(async (root) => {
    const pool = await poolTexts(root);
    const result = await simulate(pool, pool, '--limit', '4', '--sources', 'none', '--nodes', '8');
    assert.match((result.warnings as string[])[0] as string, /as 4 of the 4 texts/);
  }));

/** What the files hold, and what must be said. */
const wrong: readonly [name: string, texts: string, pool: string, message: RegExp, more?: string[]][] = [
  ['no column text', `select 1 as x`, `select 'a' as text`, /t\.parquet has no column text \(found: x\)/],
  ['a pool without text', `select 'a' as text`, `select 1 as x`, /p\.parquet has no column text/],
  ['text of another type', `select 1 as text`, `select 'a' as text`, /the column text is INTEGER/],
  [
    'messages of another type',
    `select 'a' as text, ['b'] as messages`,
    `select 'a' as text`,
    /column messages is/,
  ],
  [
    'seconds of another type',
    `select 'a' as text, ['b'] as second_ids`,
    `select 'a' as text`,
    /second_ids is VARCHAR/,
  ],
  ['no texts', `select 'a' as text where false`, `select 'a' as text`, /t\.parquet holds no texts/],
  ['only errors', `select 'a' as text, 'failed' as error`, `select 'a' as text`, /t\.parquet holds no texts/],
  ['an empty pool', `select 'a' as text`, `select 'a' as text where false`, /p\.parquet holds no texts/],
  [
    'foreign ids',
    `select 'a' as text, [9999999] as output_token_ids`,
    `select 'a' as text`,
    /the token 9999999/,
  ],
  [
    'lists of other lengths',
    `select 'a b c d' as text, [1] as second_ids, [0.5] as second_costs`,
    `select 'a' as text`,
    /1 second_ids and 1 second_costs/,
  ],
  [
    'negative costs',
    `select 'a' as text, [5] as output_token_ids, [1] as second_ids, [-0.5] as second_costs`,
    `select 'a' as text`,
    /-0\.5 in second_costs/,
  ],
  [
    'a message without content',
    `select 'a' as text, [{role: 'user', content: null::varchar}] as messages`,
    `select 'a' as text`,
    /a message without role or content/,
  ],
  [
    'nodes',
    `select 'a' as text`,
    `select 'a' as text`,
    /--nodes is "x", expected a whole number/,
    ['--nodes', '8,x'],
  ],
  ['nodes beyond', `select 'a' as text`, `select 'a' as text`, /from 0 to 256/, ['--nodes', '257']],
  [
    'sources',
    `select 'a' as text`,
    `select 'a' as text`,
    /--sources holds "all", expected some of/,
    ['--sources', 'all'],
  ],
  ['limit', `select 'a' as text`, `select 'a' as text`, /--limit is "0"/, ['--limit', '0']],
  ['nats', `select 'a' as text`, `select 'a' as text`, /expected nats above 0/, ['--divergence-budget', '0']],
  [
    'a broken cost table',
    `select 'a' as text`,
    `select 'a' as text`,
    /null isn't JSON/,
    ['--costs', '/dev/null'],
  ],
];

for (const [name, texts, pool, message, more = []] of wrong) {
  test(`${name}: exit code 2, and what is wrong`, () =>
    inFolder(async (root) => {
      const out = join(root, 'r.parquet');
      const t = await writeParquet(join(root, 't.parquet'), texts);
      const p = await writeParquet(join(root, 'p.parquet'), pool);
      const error = await errorOf(() => simulate(t, p, '--out', out, ...more));
      assert.match(error.message, message);
      assert.is(error.exitCode, 2);
      assert.is(existsSync(out), false);
    }));
}

test('files that are none', () =>
  inFolder(async (root) => {
    const texts = await held(root);
    const cut = join(root, 'cut.parquet');
    writeFileSync(cut, readFileSync(texts).subarray(0, 200));
    for (const file of [cut, join(root, 'missing.parquet')]) {
      for (const args of [
        [file, texts],
        [texts, file],
      ] as const) {
        const error = await errorOf(() => simulate(...args));
        assert.is(error.exitCode, 2, error.message);
        assert.ok(error.message.includes(file), error.message);
      }
    }
  }));

test.run();
