import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inspectModel } from '../../src/model/inspect.js';
import type { Forecast, MemoryForecast } from '../../src/simulate/forecast.js';
import type { CommandResult } from '../../src/stage.js';
import { TextModel } from '../../src/text/tokenizer.js';
import { dare, resultOf } from '../cli/spawn.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { runHere, writeParquet } from '../simulate/fixture.js';
import { cache, items, sampleModel, smallCatalogue, users } from './fixture.js';

type Plan = CommandResult & Forecast & { memory: MemoryForecast; batch: number; results: Forecast[] };

const plan = async (...args: string[]) => (await runHere(['plan', ...args])) as Plan;

const prompt = 'Describe the movie The Quiet Zebra of Katmandu';
const somePrompts = (root: string) =>
  writeParquet(
    join(root, 'prompts.parquet'),
    `select 'i' || i as prompt_id, 'item' as entity_type, 'kar' as framework, '${prompt} ' || i as prompt from range(30) t(i)
     union all select 'u' || i, 'user', 'once', 'Name the interests of the user ' || i from range(12) t(i)`,
  );

test('a catalogue is counted from its inputs, and a text taken at its longest', () =>
  inFolder(async (root) => {
    const { config } = smallCatalogue(root);
    const result = await plan(
      '--config',
      config,
      '--set',
      'prompts.frameworks=[kar,once]',
      '--set',
      'decode.maxNewTokens=100',
    );
    assert.is(result.source, 'inputs');
    assert.equal(
      result.results.map(({ entity, framework, prompts, outputTokens }) => [
        entity,
        framework,
        prompts,
        outputTokens,
      ]),
      [
        ['item', 'kar', items, 100 * items],
        ['user', 'kar', users, 100 * users],
        ['item', 'once', items, 100 * items],
        ['user', 'once', users, 100 * users],
      ],
    );
    assert.equal([result.promptTokens, result.decodeHours, result.tokensPerStep], [null, null, 1]);
    assert.is(result.warnings.length, 2);
  }));

test("the lake's prompts go before the inputs", () =>
  inFolder(async (root) => {
    const { config } = smallCatalogue(root);
    const lake = join(root, 'other-lake');
    const file = join(lake, 'prompts', 'partition=p7', 'prompts.parquet');
    mkdirSync(dirname(file), { recursive: true });
    await writeParquet(
      file,
      `select 'a' as prompt_id, 'item' as entity_type, 'kar' as framework, '${prompt}' as prompt`,
    );
    const costs = join(root, 'costs.json');
    writeFileSync(costs, JSON.stringify({ batch: [1], rows: [1, 3], milliseconds: [[10, 12]] }));
    const result = await plan('--config', config, '--lake', lake, '--partition', 'p7', '--costs', costs);
    assert.equal([result.source, result.prompts], [file, 1]);
    const tokens = TextModel.load(sampleModel).encodePrompt(prompt).length;
    assert.is(result.promptTokens, tokens);
    near(result.promptHours, (10 + tokens - 1) / 3.6e6);
  }));

test('hours come from the cost table, memory from the model', () =>
  inFolder(async (root) => {
    const prompts = await somePrompts(root);
    const costs = join(root, 'costs.json');
    writeFileSync(
      costs,
      JSON.stringify({
        batch: [1, 4],
        rows: [1, 3],
        milliseconds: [
          [10, 12],
          [20, 28],
        ],
        host: 1,
      }),
    );
    const options = [
      '--model',
      sampleModel,
      '--prompts',
      prompts,
      '--costs',
      costs,
      '--set',
      'decode.maxNewTokens=50',
    ];
    const result = await plan(...options);
    const tokenizer = TextModel.load(sampleModel);
    const lengths = Array.from({ length: 30 }, (_, i) => tokenizer.encodePrompt(`${prompt} ${i}`).length);
    const [item, user] = result.results as [Forecast, Forecast];
    assert.equal([item.entity, item.framework, item.prompts], ['item', 'kar', 30]);
    assert.equal([user.entity, user.framework, user.prompts], ['user', 'once', 12]);
    assert.is(
      item.promptTokens,
      lengths.reduce((sum, length) => sum + length),
    );
    assert.is(result.batch, 4, "the table's largest");
    near(item.decodeHours, (30 * 50 * (20 / 4 + 1)) / 3.6e6);
    near(result.plainHours, (42 * 50 * (20 / 4 + 1)) / 3.6e6);
    // the prompts differ in the number at their end
    const [one, two] = [1, 2].map((i) => tokenizer.encodePrompt(`${prompt} ${i}`)) as [
      Int32Array,
      Int32Array,
    ];
    const common = one.findIndex((id, i) => id !== two[i]);
    near(item.promptHours, (30 * (10 + (item.promptTokens as number) / 30 - common - 1)) / 3.6e6);
    const { memory } = inspectModel(sampleModel, cache);
    const longest = Math.max(...lengths);
    const { kvPerToken = 0, weights = 0 } = memory ?? {};
    assert.equal(result.memory, {
      weights,
      perSequence: kvPerToken * (longest + 50),
      sequences: 4 * kvPerToken * (longest + 50),
    });
    const onGpu = await plan(...options, '--set', 'model.device=webgpu');
    assert.is((onGpu.memory as { weights: number }).weights, weights / 2, 'auto is float16 there');
    const half = await plan(...options, '--batch', '2', '--set', 'model.weights=float16');
    assert.equal(half.memory, {
      weights: weights / 2,
      perSequence: (kvPerToken * (longest + 50)) / 2,
      sequences: kvPerToken * (longest + 50),
    });
    near(half.plainHours, (42 * 50 * ((10 + 10 / 3) / 2 + 1)) / 3.6e6);
  }));

function near(value: number | null, expected: number): void {
  assert.ok(value !== null && Math.abs(value / expected - 1) < 1e-9, `${value} is not ${expected}`);
}

test('recorded texts tell how long texts get, and what drafts bring', () =>
  inFolder(async (root) => {
    const prompts = await somePrompts(root);
    const texts = await writeParquet(
      join(root, 'texts.parquet'),
      `select 'item' as entity_type, 'Genre: a drama about love. Mood: warm and bright.' as text from range(4)`,
    );
    const pool = await writeParquet(
      join(root, 'pool.parquet'),
      `select 'item' as entity_type, 'Genre: a drama about love. Mood: warm and quiet.' as text from range(9)`,
    );
    const costs = join(root, 'costs.json');
    writeFileSync(costs, JSON.stringify({ batch: [1], rows: [1, 17], milliseconds: [[1000, 1010]] }));
    const finished = await dare([
      ...['plan', '--model', sampleModel, '--prompts', prompts, '--costs', costs, '--nodes', '8'],
      ...['--texts', texts, '--pool-texts', pool],
    ]);
    assert.is(finished.code, 0, finished.stderr);
    assert.match(
      finished.stderr,
      /entity +framework +prompts +prompt tokens +output tokens +tokens a step +prompt hours/,
    );
    const result = resultOf(finished) as Plan;
    const length =
      TextModel.load(sampleModel).encodeText('Genre: a drama about love. Mood: warm and bright.').length + 1;
    const [item, user] = result.results as [Forecast, Forecast];
    assert.equal(
      [item.outputTokens, user.outputTokens],
      [30 * length, 12 * length],
      'users as the only texts there are',
    );
    const perStep = item.tokensPerStep as number;
    assert.ok(perStep > 2);
    const ratio = (item.plainHours as number) / (item.decodeHours as number);
    assert.ok(ratio < perStep && ratio > 0.97 * perStep, `${ratio} ${perStep}`);
    assert.equal(result.warnings, [
      'no recorded texts are of the kind kar item, once user: ' +
        'those of the same entity type, or else of all, are taken for them',
    ]);
    const inputs = ['--model', sampleModel, '--prompts', prompts, '--texts', texts, '--pool-texts', pool];
    const itemWith = async (table: string, ...set: string[]) =>
      ((await plan(...inputs, '--costs', table, ...set)).results as Forecast[])[0] as Forecast;
    assert.is((await itemWith(costs, '--set', 'decode.mode=autoregressive')).tokensPerStep, 1);
    assert.is((await itemWith(costs, '--set', 'decode.maxNewTokens=5')).outputTokens, 30 * 5);
    // where a row takes as long as a step there are no drafts, as in decoding
    const dear = join(root, 'dear.json');
    writeFileSync(dear, JSON.stringify({ batch: [1], rows: [1, 17], milliseconds: [[10, 170]] }));
    assert.is((await itemWith(dear)).tokensPerStep, 1);
    assert.ok(((await itemWith(costs)).tokensPerStep as number) > 2);
  }));

test('each kind of prompts goes by the recorded texts of its own framework', () =>
  inFolder(async (root) => {
    const prompts = await writeParquet(
      join(root, 'prompts.parquet'),
      `select framework || i as prompt_id, 'item' as entity_type, framework, '${prompt} ' || i as prompt
       from range(10) t(i), (values ('kar'), ('once'), ('trawl')) f(framework)`,
    );
    const [long, short] = ['Genre: a drama about love. Mood: warm and bright.', 'A warm drama.'];
    const recorded = (name: string) =>
      writeParquet(
        join(root, `${name}.parquet`),
        `select 'item' as entity_type, 'kar' as framework, '${long}' as text from range(4)
         union all select 'item', 'once', '${short}' from range(4)`,
      );
    const [texts, pool] = [await recorded('texts'), await recorded('pool')];
    const options = ['--model', sampleModel, '--prompts', prompts, '--texts', texts, '--pool-texts', pool];
    const { results, warnings } = await plan(...options);
    const tokens = (text: string) => TextModel.load(sampleModel).encodeText(text).length + 1;
    const [ofLong, ofShort] = [tokens(long), tokens(short)];
    assert.equal(
      results.map(({ framework, outputTokens }) => [framework, outputTokens]),
      [
        ['kar', 10 * ofLong],
        ['once', 10 * ofShort],
        ['trawl', 5 * (ofLong + ofShort)],
      ],
    );
    const [kar, once] = results as [Forecast, Forecast];
    assert.ok(
      (kar.tokensPerStep as number) > (once.tokensPerStep as number),
      `${kar.tokensPerStep} ${once.tokensPerStep}`,
    );
    assert.match(String(warnings.at(-1)), /^no recorded texts are of the kind trawl item: those of the same/);
  }));

test('texts that decoding would take over are left out, and it says how many; decoding takes over as many', () =>
  inFolder(async (root) => {
    const { config, prompts } = smallCatalogue(root);
    const onA = ['--config', config];
    for (const stage of ['segment', 'prompts', 'decode']) await runHere([stage, ...onA]);
    const all = await plan(...onA);
    assert.equal([all.prompts, all.reused, all.outputTokens], [prompts, prompts, 0]);
    // other texts, another model and none to take over
    for (const set of ['decode.maxNewTokens=13', 'model.weights=int8', 'decode.reuse=off'])
      assert.is((await plan(...onA, '--set', set)).reused, 0, set);

    // in the next partition an item has another title, and with it its prompt and those of the users who liked it
    const movies = join(root, 'movies.csv');
    const [header, first = '', ...others] = readFileSync(movies, 'utf8').split('\n');
    writeFileSync(movies, [header, first.replace(/,[^,]*/, ',A New Title'), ...others].join('\n'));
    const onB = [...onA, '--partition', 'b'];
    for (const stage of ['segment', 'prompts']) await runHere([stage, ...onB]);
    const finished = await dare(['plan', ...onB]);
    assert.is(finished.code, 0, finished.stderr);
    const some = resultOf(finished) as Plan;
    assert.ok(some.reused > 0 && some.reused < prompts, `${some.reused} of ${prompts}`);
    const left = prompts - some.reused;
    assert.is(some.outputTokens, 12 * left);
    assert.ok(
      finished.stderr.includes(
        `reused: ${some.reused} of ${prompts} texts stand in earlier tables and are taken over; ` +
          `tokens and hours are those of the ${left} others`,
      ),
      finished.stderr,
    );
    assert.equal(
      some.results.map(({ reused }) => reused).reduce((sum, one) => sum + one),
      some.reused,
    );
    // strict: without pools it isn't known what relaxed texts will be drafted from
    assert.is((await plan(...onB, '--set', 'decode.reuse=strict')).reused, 0);
    assert.is((await runHere(['decode', ...onB])).takenOver, some.reused);
    // with them, and with the cost table that stands in the texts' manifest, it is
    const strictly = [...onB, '--set', 'decode.reuse=strict'];
    await runHere(['pools', ...onB]);
    await runHere(['decode', ...strictly]);
    assert.is((await plan(...strictly)).reused, prompts);
  }));

const wrong: readonly [args: string[], message: RegExp][] = [
  [[], /no catalogue given: expected either --config FILE or --model and --prompts/],
  [['--model', sampleModel], /no catalogue given/],
  [['--model', sampleModel, '--prompts', 'p.parquet', '--lake', 'l'], /--lake needs --config/],
  [['--model', sampleModel, '--prompts', 'p.parquet', '--texts', 't'], /--pool-texts is missing/],
  [['--model', sampleModel, '--prompts', 'p.parquet', '--batch', '0'], /--batch is "0"/],
  [['--model', sampleModel, '--prompts', 'none.parquet'], /none\.parquet is missing/],
  [['--model', 'nowhere', '--prompts', 'none.parquet'], /there is no model at .*nowhere/],
  [['--model', sampleModel, '--prompts', 'p.parquet', '--costs', 'none.json'], /none\.json/],
  [['--model', sampleModel, '--prompts', 'p.parquet', '--out', 'x'], /dare plan has no option --out/],
];

for (const [args, message] of wrong) {
  test(`refused: plan ${args.join(' ').replaceAll(sampleModel, 'MODEL')}`, async () => {
    const error = await errorOf(() => plan(...args));
    assert.match(error.message, message);
    assert.is(error.exitCode, 2);
  });
}

test('files of prompts that are none', () =>
  inFolder(async (root) => {
    for (const [select, message] of [
      [`select 1 as x`, /has no column prompt_id/],
      [`select 'a' as prompt_id`, /neither a column prompt nor messages/],
      [`select 'a' as prompt_id, 'b' as prompt where false`, /holds no prompts/],
    ] as const) {
      const file = await writeParquet(join(root, 'p.parquet'), select);
      const error = await errorOf(() => plan('--model', sampleModel, '--prompts', file));
      assert.match(error.message, message);
      assert.is(error.exitCode, 2);
    }
    const { config } = smallCatalogue(root);
    const result = await plan('--config', config);
    assert.is(
      existsSync(join(dirname(config), 'lake')),
      false,
      `nothing is written for ${result.prompts} prompts`,
    );
  }));

test.run();
