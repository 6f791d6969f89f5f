import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkPartition, loadConfig, loadStandalone } from '../../src/config/load.js';
import { dareError, MINIMAL, withFolder } from './fixture.js';

/** `--set` values and the line that the message must hold. One wrong key each. */
const WRONG: readonly [overrides: string[], line: string][] = [
  // Types: nothing is coerced.
  [
    ['decode.topK="2"'],
    'decode.topK (--set decode.topK="2"): is "2"; expected a whole number from 1 to 64; write 2 without quotes',
  ],
  [['decode.maxFailedShare="false"'], 'is "false"; expected a number from 0 to 1'],
  [['decode.nodes=true'], 'is true; expected auto or a whole number from 0 to 256'],
  [
    ['decode.nodes='],
    'has no value; expected auto or a whole number from 0 to 256, or leave the key out for its default',
  ],
  [['decode.nodes=[16]'], 'is a list; expected auto or a whole number'],
  [['decode.nodes=.nan'], 'is NaN; expected auto or a whole number'],
  [['decode.divergenceBudget=.inf'], 'is Infinity; expected a number of at least 0'],
  [['partition=2024'], 'is 2024; expected a name of 1 to 100 letters'],
  [['partition=2024'], 'write "2024" in quotes'],
  [['decode=fast'], 'decode (--set decode=fast): is "fast"; expected a group of keys'],
  [['prompts.frameworks=kar'], 'is "kar"; expected a list of frameworks; write [kar]'],
  [['prompts.frameworks=[]'], 'is an empty list; expected a list of at least one framework'],
  [
    ['lake=gs://bucket/lake'],
    'is "gs://bucket/lake"; expected s3://bucket/key: no other store or URL is read or written',
  ],
  [['lake=s3://b/lake'], 'is "s3://b/lake"; expected s3://bucket/key with a bucket of 3 to 63'],
  [['lake=s3://bucket/../lake'], 'is "s3://bucket/../lake"; expected s3://bucket/key without empty parts'],
  [['lake=s3://bucket/lake*'], 'is "s3://bucket/lake*"; expected s3://bucket/key without *'],
  [['inputs.ratings.path=[r.csv, "S3://bucket/*.parquet"]'], 'is "S3://bucket/*.parquet"; expected s3://'],
  [['pools.texts=https://a.example/t.parquet'], 'is "https://a.example/t.parquet"; expected s3://bucket/key'],
  [
    ['model.path=s3://bucket/llama'],
    'expected a path on this machine: object stores are for lake, inputs and',
  ],
  [['model.path=s3://bucket/llama'], 'Copy the model to this machine first'],
  [['prompts.templates=s3://bucket/templates'], 'expected a path on this machine'],
  [['storage.workingCopy=s3://bucket/copy'], 'expected a path on this machine'],
  [['storage.endpoint=minio:9000'], 'is "minio:9000"; expected the URL of a store, such as https://'],
  [['storage.region='], 'has no value; expected the name of a region'],
  [['storage.secretKey=abc'], 'storage.secretKey (--set storage.secretKey=abc): unknown key'],
  [['inputs.items.path=[]'], 'is an empty list; expected a path, a glob or a list of them'],
  [['inputs.items.path=[a, 1]'], 'expected a path, a glob or a list of them'],
  [
    ['inputs.items.columns={ Title: name }'],
    "inputs.items.columns.Title (--set inputs.items.columns={ Title: name }): this key can't be used; expected a name of lower-case letters",
  ],
  [
    ['inputs.items.columns.year=1990'],
    'is 1990; expected the name of a column in the file, as text; write "1990" in quotes',
  ],
  // Ranges.
  [['decode.topK=0'], 'is 0; expected a whole number from 1 to 64'],
  [['decode.topK=65'], 'is 65; expected a whole number from 1 to 64'],
  [['decode.topK=1.5'], 'is 1.5; expected a whole number from 1 to 64'],
  [['decode.minProb=1.01'], 'is 1.01; expected a number from 0 to 1'],
  [['decode.minProb=-0.1'], 'is -0.1; expected a number from 0 to 1'],
  [['decode.divergenceBudget=-1'], 'is -1; expected a number of at least 0'],
  [['decode.minGain=-1'], 'is -1; expected a number from 0 to 256'],
  [['decode.maxNewTokens=0'], 'is 0; expected a whole number from 1 to 32768'],
  [['decode.concurrency=0'], 'is 0; expected auto or a whole number from 1 to 1024'],
  [['decode.concurrency=1025'], 'is 1025; expected auto or a whole number from 1 to 1024'],
  [['decode.rounds.growth=1'], 'is 1; expected a factor above 1 (rounds must grow)'],
  [['decode.rounds.first=0'], 'is 0; expected a share above 0 and up to 1'],
  [['cohorts.users.groups=0'], 'is 0; expected auto or a whole number from 1 to 10000'],
  [['pools.maxLength=1'], 'is 1; expected a whole number from 2 to 16'],
  [['partition=../up'], 'is "../up"; expected a name of 1 to 100 letters'],
  // Names and their suggestions.
  [
    ['decode.mode=relxaed'],
    'is "relxaed"; expected one of autoregressive, greedy, relaxed, sample; did you mean relaxed?',
  ],
  [['decode.concurrency=Auto'], 'did you mean auto?'],
  [
    ['decode.top_k=2'],
    'decode.top_k (--set decode.top_k=2): unknown key; did you mean topK? allowed here: mode, maxNewTokens, topK,',
  ],
  [['topK=2'], 'topK (--set topK=2): unknown key; did you mean decode.topK? allowed here: lake, partition,'],
  [['decode.zzzzzz=2'], 'decode.zzzzzz (--set decode.zzzzzz=2): unknown key; allowed here: mode,'],
  [
    ['prompts.frameworks=[kra]'],
    'prompts.frameworks[0] (--set prompts.frameworks=[kra]): is "kra"; expected one of kar, trawl, once, rlmrec, or prompts.templates, a folder with templates of your own; did you mean kar?',
  ],
  [
    ['cohorts.items.columns=[genr]'],
    'is "genr"; expected our name of a column under inputs (one of title, genre); did you mean genre?',
  ],
  // Combinations.
  [
    ['cohorts.items.method=collaborative'],
    'cohorts.items.method (--set cohorts.items.method=collaborative): is "collaborative"; expected one of attributes, column',
  ],
  [
    ['cohorts.items={ method: column, columns: [title, genre] }'],
    'cohorts.items.columns (--set cohorts.items={ method: column, columns: [title, genre] }): has 2 columns; expected exactly one with method column',
  ],
  [['cohorts.items.columns=[]'], 'has no columns; expected at least one with method attributes'],
  [['cohorts.users.method=column'], 'has 0 columns; expected exactly one with method column'],
  [
    ['cohorts.users={ method: column, columns: [genre] }'],
    'cohorts.users.columns[0] (--set cohorts.users={ method: column, columns: [genre] }): is "genre"; expected our name of a column under inputs (there are none)',
  ],
  [['cohorts.users.method=attributes'], 'has no columns; expected at least one with method attributes'],
  [
    ['cohorts.items.method=column', 'cohorts.items.groups=3'],
    'cohorts.items.groups (--set cohorts.items.groups=3): a number of groups with method column',
  ],
  [
    ['decode.nodes=0'],
    'is 0; expected at least 1 with mode relaxed; mode autoregressive decodes without drafts',
  ],
  [['decode.mode=greedy', 'decode.nodes=0'], 'is 0; expected at least 1 with mode greedy'],
  [['prompts.history.dislikedTo=4'], 'is 4; expected a rating below likedFrom (4)'],
  [
    ['prompts.frameworks=[kar, once, kar]'],
    'prompts.frameworks[2] (--set prompts.frameworks=[kar, once, kar]): is "kar" for the second time',
  ],
  [
    ['prompts.templates=mine', 'prompts.frameworks=[Mine]'],
    'is "Mine"; expected a name of lower-case letters',
  ],
  [
    ['prompts.templates=mine', 'prompts.frameworks=[cohort]'],
    'is "cohort", the name of another column of the features table',
  ],
  [
    ['prompts.templates=mine', 'prompts.frameworks=[kar_vector]'],
    'is "kar_vector", the name of another column of the features table',
  ],
  [
    ['inputs.items.columns.item_id=id'],
    'inputs.items.columns.item_id (--set inputs.items.columns.item_id=id): this name is taken by the id',
  ],
  [
    ['model.device=cpu', 'model.weights=float16'],
    'is "float16"; expected auto, float32, int8 or int4: the CPU has no float16 arithmetic',
  ],
  ...['int8', 'int4'].map(
    (weights) =>
      [
        ['model.device=webgpu', `model.weights=${weights}`],
        `is "${weights}"; expected auto, float16 or float32 with model.device webgpu`,
      ] as [string[], string],
  ),
  [['model.weights=int2'], 'is "int2"; expected one of auto, float32, float16, int8, int4'],
  [
    ['model.adapters=[A, B, A]'],
    'has "A" twice; expected each GPU once: those of one name by their PCI bus ids',
  ],
  [['model.adapters=[A]', 'model.adapter=A'], 'stands beside model.adapter; expected one of the two'],
  [['model.adapters=[A]', 'model.device=cpu'], 'is a list of GPUs, but model.device is cpu'],
  [['model.adapters=[A]', 'model.device=cuda'], 'is for model.device webgpu; CUDA_VISIBLE_DEVICES'],
  [['memoryLimit=6'], 'is 6; expected an amount of memory such as "6GB"'],
  [['memoryLimit=much'], 'is "much"; expected an amount of memory such as "6GB"'],
  [['model.adapters=A'], 'is "A"; expected a list of GPUs'],
  [
    ['model.adapters=[A, B]', 'decode.shards=3'],
    'is 3; expected 2, one for each of model.adapters, or nothing',
  ],
  [['decode.shards=0'], 'is 0; expected a whole number from 1 to 1000'],
  [['model.device=gpu'], 'is "gpu"; expected one of auto, cpu, webgpu, cuda'],
  [['inputs.ratings.item=u'], 'is "u", the column that inputs.ratings.user names too'],
  [
    ['decode.sampling.temperature=0.7'],
    'decode.sampling.temperature (--set decode.sampling.temperature=0.7): is for mode sample; mode relaxed draws nothing; ' +
      'set decode.mode to sample, or leave the key out',
  ],
  [
    ['decode.mode=greedy', 'decode.sampling.seed=0'],
    'decode.sampling.seed (--set decode.sampling.seed=0): is for mode sample; mode greedy draws nothing',
  ],
  [
    ['decode.sampling={ topK: 40 }'],
    'decode.sampling.topK (--set decode.sampling={ topK: 40 }): is for mode sample; mode relaxed draws nothing; ' +
      'set decode.mode to sample, or leave the key out (decode.topK is the rank that mode relaxed accepts)',
  ],
  [
    ['decode.mode=sample', 'decode.topK=40'],
    'decode.topK (--set decode.topK=40): is for mode relaxed; did you mean decode.sampling.topK, the tokens to draw from?',
  ],
  [
    ['decode.mode=sample', 'decode.minProb=0.1'],
    "is for mode relaxed; did you mean decode.sampling.minP, a share of the likeliest token's probability?",
  ],
  [
    ['decode.mode=sample', 'decode.minGain=4'],
    'decode.minGain (--set decode.minGain=4): is for mode relaxed; mode sample takes the token that is drawn, whatever it brings: leave the key out',
  ],
  [
    ['decode.mode=sample', 'decode.divergenceBudget=4'],
    "is for mode relaxed; mode sample follows the model's own distribution and gives nothing away: leave the key out",
  ],
  [
    ['decode.mode=sample', 'decode.sampling.temperature=0'],
    'decode.sampling.temperature (--set decode.sampling.temperature=0): is 0; expected more with mode sample; ' +
      'mode greedy always takes the likeliest token',
  ],
  [['decode.temperature=0.7'], 'unknown key; did you mean decode.sampling.temperature? allowed here: mode,'],
  [['decode.mode=sample', 'decode.sampling.topP=0'], 'is 0; expected a share above 0 and up to 1'],
  [['decode.mode=sample', 'decode.sampling.topP=1.1'], 'is 1.1; expected a share above 0 and up to 1'],
  [['decode.mode=sample', 'decode.sampling.minP=2'], 'is 2; expected a number from 0 to 1'],
  [['decode.mode=sample', 'decode.sampling.topK=-1'], 'is -1; expected a whole number from 0 to 1000000'],
  [['decode.mode=sample', 'decode.sampling.seed=1.5'], 'is 1.5; expected a whole number from 0 to'],
  [['decode.mode=sample', 'decode.sampling.temperature=-1'], 'is -1; expected a number from 0 to 100'],
  [['decode.repetitionPenalty=0'], 'is 0; expected a factor above 0 and up to 100'],
  [['decode.stop=END'], 'is "END"; expected a list of up to 16 texts that are not empty; write [END]'],
  [['decode.stop=[""]'], 'decode.stop[0] (--set decode.stop=[""]): is ""; expected a text that is not empty'],
  [['decode.stop=[7]'], 'is 7; expected a text that is not empty; write "7" in quotes'],
];

test('each wrong key is refused with the key, what is wrong, what was expected, and a suggestion', () => {
  withFolder((_, write) => {
    const file = write(MINIMAL);
    for (const [overrides, line] of WRONG) {
      const error = dareError(() => loadConfig(file, overrides));
      assert.is(error.exitCode, 2, line);
      assert.ok(error.message.startsWith(`${file}: one key is wrong\n  `), error.message);
      assert.ok(error.message.includes(line), `${error.message}\ndoes not hold\n${line}`);
    }
  });
});

const ALLOWED: readonly string[][] = [
  ['decode.mode=autoregressive', 'decode.nodes=0'],
  ['decode.mode=sample', 'decode.nodes=0'],
  ['decode.mode=sample', 'decode.sampling={ temperature: 0.5, topK: 50, topP: 0.9, minP: 0.05, seed: 7 }'],
  ['decode.mode=relaxed', 'decode.repetitionPenalty=1.1', 'decode.stop=["END", "\\n\\n"]'],
  ['decode.mode=greedy', 'decode.topK=3', 'decode.minProb=0.2', 'decode.divergenceBudget=0'],
  ['decode.minProb=0', 'decode.rounds.first=1', 'decode.rounds.growth=1.5', 'decode.concurrency=1024'],
  ['prompts.templates=mine', 'prompts.frameworks=[mine, kar]'],
  ['cohorts.items.method=column', 'cohorts.items.groups=auto'],
  ['cohorts.users={ method: attributes, columns: [genre], groups: 3 }'],
  [
    'inputs.users={ path: u.csv, id: id, columns: { country: c } }',
    'cohorts.users={ method: column, columns: [country] }',
  ],
];

test('possible combinations are not refused', () => {
  withFolder((_, write) => {
    for (const overrides of ALLOWED) loadConfig(write(MINIMAL), overrides);
  });
});

test('one message holds every wrong key, with the line in the file', () => {
  withFolder((_, write) => {
    const text = MINIMAL.replace('partition: p1\n', '').replace('[genre]', '[genre], size: 3');
    const file = write(`${text}decode:\n  mdoe: greedy\n  nodes: 0\n  topK: two\n`);
    assert.is(
      dareError(() => loadConfig(file, ['pools.maxLength=99'])).message,
      [
        `${file}: 6 keys are wrong`,
        '  partition: missing; expected a name of 1 to 100 letters, digits, dots, dashes and underscores that does not start with a dot',
        '  cohorts.items.size (line 6): unknown key; allowed here: method, groups, columns',
        '  pools.maxLength (--set pools.maxLength=99): is 99; expected a whole number from 2 to 16',
        '  decode.topK (line 10): is "two"; expected a whole number from 1 to 64',
        '  decode.mdoe (line 8): unknown key; did you mean mode? allowed here: mode, maxNewTokens, topK, minProb, divergenceBudget, minGain, stop, repetitionPenalty, sampling, nodes, reproducible, concurrency, maxFailedShare, rounds, verifyPools, reuse, shards',
        '  decode.nodes (line 9): is 0; expected at least 1 with mode relaxed; mode autoregressive decodes without drafts',
      ].join('\n'),
    );
  });
});

test('paths count from the file, those of --set and flags from the working directory', () => {
  withFolder((folder, write) => {
    const text = `${MINIMAL.replace('items.parquet', '[a.csv, sub/*.csv]')}prompts: { templates: t }\npools: { texts: x/*.parquet }\n`;
    const config = loadConfig(write(text), ['inputs.ratings.path=r.csv', 'model={ path: m, cache: /c }'], {
      lake: 'l',
    });
    assert.equal(config.inputs.items.path, [join(folder, 'a.csv'), join(folder, 'sub/*.csv')]);
    assert.equal(config.inputs.ratings.path, [join(process.cwd(), 'r.csv')]);
    assert.equal(config.model, {
      path: join(process.cwd(), 'm'),
      cache: '/c',
      weights: 'auto',
      device: 'auto',
    });
    assert.is(config.lake, join(process.cwd(), 'l'));
    assert.is(config.prompts.templates, join(folder, 't'));
    assert.is(config.pools.texts, join(folder, 'x/*.parquet'));
  });
});

test('later overrides win, flags win over all and are taken literally', () => {
  withFolder((_, write) => {
    const overrides = [
      'decode.nodes=4',
      'decode.nodes=5',
      'decode={ mode: greedy }',
      'decode.topK=3',
      'partition=x',
    ];
    const config = loadConfig(write(MINIMAL), overrides, {
      partition: '2024',
      mode: 'relaxed',
      concurrency: '8',
    });
    assert.equal([config.decode.nodes, config.decode.topK], ['auto', 3]);
    assert.equal([config.partition, config.decode.mode, config.decode.concurrency], ['2024', 'relaxed', 8]);
  });
});

const MALFORMED: readonly [assignment: string, message: RegExp][] = [
  ['decode.nodes', /^--set decode\.nodes: expected path\.to\.key=value$/],
  ['=3', /expected path\.to\.key=value/],
  ['decode..nodes=3', /expected path\.to\.key=value/],
  ['__proto__.polluted=1', /expected path\.to\.key=value/],
  ['decode.nodes=[1', /the value is not valid YAML/],
  ['inputs.items.path=*.csv', /\*\.csv needs quotes, as text that starts with \*/],
  ['decode.mode=!strange x', /the value is not valid YAML/],
  ['lake.deep=1', /lake is ".*", not a group of keys/],
  ['cohorts.items.columns.first=genre', /cohorts\.items\.columns is a list, not a group of keys/],
  ['constructor.x=1', /constructor.*: unknown key/],
];

test('malformed overrides are refused', () => {
  withFolder((_, write) => {
    for (const [assignment, message] of MALFORMED) {
      const error = dareError(() => loadConfig(write(MINIMAL), [assignment]));
      assert.is(error.exitCode, 2);
      assert.match(error.message, message);
    }
  });
  assert.not.ok('polluted' in {});
});

const UNREADABLE: readonly [text: string | Buffer, message: RegExp][] = [
  ['', /partition: missing/],
  ['# nothing\n', /inputs: missing/],
  ['- a\n- b\n', /is a list, expected a group of keys/],
  ['just text', /is "just text", expected a group of keys/],
  ['lake: a\nlake: b\n', /line 2, column 1: not valid YAML: Map keys must be unique/],
  ['lake: [a\n', /line 2, column 1: not valid YAML/],
  [
    'lake: lake\ninputs: { items: { path: *.csv } }\n',
    /line 2, column 26: not valid YAML: \*\.csv needs quotes/,
  ],
  ['lake: !secret a\n', /line 1, column 7: not valid YAML: Unresolved tag/],
  [Buffer.from([0x6c, 0x3a, 0x20, 0xff, 0xfe]), /is not UTF-8 text/],
];

test('files that are no configuration are refused', () => {
  withFolder((folder, write) => {
    for (const [text, message] of UNREADABLE) {
      const error = dareError(() => loadConfig(write(text)));
      assert.is(error.exitCode, 2);
      assert.match(error.message, message);
    }
    assert.match(
      dareError(() => loadConfig(join(folder, 'none.yaml'))).message,
      /none\.yaml can't be read: there is no such file/,
    );
    assert.match(dareError(() => loadConfig(folder)).message, /it is a folder/);
  });
});

test('decoding without a configuration takes decode and model settings only', () => {
  const { decode, model } = loadStandalone(['decode.nodes=8', 'model.threads=2'], {
    mode: 'greedy',
    concurrency: 4,
  });
  assert.equal([decode.nodes, decode.mode, decode.concurrency, model.threads], [8, 'greedy', 4, 2]);
  const message = (overrides: string[], flags = {}) =>
    dareError(() => loadStandalone(overrides, flags)).message;
  assert.match(message(['lake=x']), /lake \(--set lake=x\): unknown key; allowed here: model, decode/);
  assert.match(message([], { mode: 'gredy' }), /decode\.mode \(--mode\): is "gredy".*did you mean greedy\?/);
  assert.match(
    message([], { concurrency: '1e3' }),
    /decode\.concurrency \(--concurrency\): is "1e3"; expected auto or/,
  );
  assert.match(message(['decode.nodes=0']), /expected at least 1 with mode relaxed/);
});

test('partitions are names of folders', () => {
  for (const name of ['a', '2026-10-01', 'A_b.c', '0', 'x'.repeat(100)])
    assert.is(checkPartition(name), name);
  for (const name of ['', '.', '..', '.a', 'a/b', '../a', 'a b', 'ä', 'a\n', 'a=b', 'x'.repeat(101)]) {
    assert.is(dareError(() => checkPartition(name)).exitCode, 2, name);
  }
});

test.run();
