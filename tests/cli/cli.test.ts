import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LAKE_COMMANDS, STAGES, TOOLS } from '../../src/cli/arguments.js';
import { packageRoot } from '../../src/paths.js';
import { dare, resultOf } from './spawn.js';

const SAMPLE = join(packageRoot, 'data-samples/dare.yaml');

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'dare-cli-')));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('--help explains stages, options, exit codes; --version tells the version', async () => {
  const help = await dare(['--help']);
  assert.is(help.code, 0);
  assert.is(help.stderr, '');
  for (const word of [
    ...STAGES,
    ...TOOLS,
    ...LAKE_COMMANDS,
    'model',
    '--config',
    '--set',
    '--json',
    'Exit codes',
    '130',
    '143',
    'Examples',
  ]) {
    assert.ok(help.stdout.includes(word), word);
  }
  assert.match((await dare(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('every stage explains itself, whatever else is given', async () => {
  const finished = await Promise.all(STAGES.map((stage) => dare([stage, '--help', '--config', 'none.yaml'])));
  for (const [index, { code, stdout, stderr }] of finished.entries()) {
    assert.is(code, 0);
    assert.is(stderr, '');
    assert.ok(stdout.startsWith(`dare ${STAGES[index]}: `), stdout);
    for (const word of ['Usage', '--partition P', 'Examples', 'Exit codes', '--quiet'])
      assert.ok(stdout.includes(word));
  }
});

test('what takes care of tables, or judges them, explains itself', async () => {
  for (const name of LAKE_COMMANDS) {
    const { code, stdout, stderr } = await dare([name, '--help']);
    assert.equal([code, stderr], [0, '']);
    assert.ok(stdout.startsWith(`dare ${name}: `), stdout);
    for (const word of ['Usage', '--config FILE', 'Examples', 'Exit codes'])
      assert.ok(stdout.includes(word), word);
  }
});

test('tools explain themselves', async () => {
  for (const tool of TOOLS) {
    const { code, stdout, stderr } = await dare([tool, '--help']);
    assert.equal([code, stderr], [0, '']);
    assert.ok(stdout.startsWith(`dare ${tool}: `), stdout);
    for (const word of ['Usage', '--texts FILE', `Output of ${tool}`, 'Examples', 'Exit codes'])
      assert.ok(stdout.includes(word), word);
  }
});

test('dare model explains itself', async () => {
  for (const args of [
    ['model', '--help'],
    ['model', 'inspect', 'x', '-h'],
  ]) {
    const { code, stdout, stderr } = await dare(args);
    assert.equal([code, stderr], [0, '']);
    assert.ok(stdout.startsWith('dare model: '), stdout);
    const actions = ['inspect', 'import', 'costs'].map((action) => `dare model ${action} PATH`);
    for (const word of [...actions, '--cache DIR', '--out FILE', 'Exit codes'])
      assert.ok(stdout.includes(word), word);
  }
});

/** What was typed, what stderr and the line of JSON must say, and the stage that it names. */
const WRONG: readonly [args: string[], message: string, stage?: string][] = [
  [[], 'no stage given: expected one of segment, prompts, pools, decode, publish, run'],
  [['--json'], 'no stage given'],
  [['decoed'], '"decoed" is no stage of dare: expected one of'],
  [['decoed', '--x'], '; did you mean decode?'],
  [['decoed', '--json'], '"decoed" is no stage of dare'],
  [['run'], '--config FILE is missing', 'run'],
  [['run', '--confg', 'a'], 'there is no option --confg; did you mean --config?', 'run'],
  [['run', '--config'], '--config needs a value', 'run'],
  [['run', '--config='], '--config is empty', 'run'],
  [['run', '--config', '--json'], '--config needs a value', 'run'],
  [['run', '--config', 'a', '--config', 'b'], '--config is given twice', 'run'],
  [['run', '--config', SAMPLE, '--json=yes'], '--json takes no value', 'run'],
  [['run', '--config', SAMPLE, '--skip-exit-code', '256'], 'expected a whole number from 0 to 255', 'run'],
  [['run', '--config', SAMPLE, '--skip-exit-code', 'x'], '--skip-exit-code is x', 'run'],
  [
    ['run', '--config', SAMPLE, '--lake', 'gs://bucket/lake'],
    'lake (--lake): is "gs://bucket/lake"; expected s3://bucket/key',
    'run',
  ],
  [
    ['pools', '--texts', 'gs://b/t', '--tokenizer', 'a', '--out', 'b'],
    '--texts is gs://b/t: expected a',
    'pools',
  ],
  [['run', '--config', SAMPLE, 'now'], 'unexpected argument "now"', 'run'],
  [
    ['segment', '--config', SAMPLE, '--mode', 'greedy'],
    'has no option --mode (it belongs to dare decode)',
    'segment',
  ],
  [['decode'], 'expected either --config FILE or --model, --prompts, --out', 'decode'],
  [['decode', '--model', 'm', '--out', 'o'], '--prompts missing beside --model', 'decode'],
  [['decode', '--model', 'm', '--config', SAMPLE], '--config and --model exclude each other', 'decode'],
  [
    ['decode', '--model', 's3://models/m', '--prompts', 'p', '--out', 'o'],
    '--model is s3://models/m: expected a path on this machine',
    'decode',
  ],
  [
    ['decode', '--model', 'm', '--prompts', 'p', '--out', 'o', '--lake', 'l'],
    '--lake and --model exclude each other',
    'decode',
  ],
  ...['0/2', '3/2', '1', 'a/b', '1/2/3', '-1/2'].map((shard): [string[], string, string] => [
    ['decode', '--config', SAMPLE, `--shard=${shard}`],
    `--shard is ${shard}: expected K/N`,
    'decode',
  ]),
  [
    ['decode', '--model', 'm', '--prompts', 'p', '--out', 'o', '--shard', '1/2'],
    '--shard needs --config FILE',
    'decode',
  ],
  [['simulate', '--texts', 't'], '--pool-texts and --tokenizer missing', 'simulate'],
  [['simulate', '--config', SAMPLE], 'dare simulate has no option --config', 'simulate'],
  [['simulat'], 'did you mean simulate?'],
  [['run', '--config', SAMPLE, '--peers'], '--peers (it belongs to dare simulate)', 'run'],
  [['plan'], 'no catalogue given: expected either --config FILE or --model and --prompts', 'plan'],
  [['pools', 'verify'], 'no pools given: expected either --config FILE or --pools DIR', 'pools'],
  [['pools', 'verify', 'x'], 'unexpected argument "x": options start with --', 'pools'],
  [['pools', 'verify', '--pools', 'p', '--lake', 'l'], '--lake and --pools exclude each other', 'pools'],
  [['pools', 'verify', '--texts', 't'], 'dare pools has no option --texts', 'pools'],
  [['pools', '--texts', 't'], '--tokenizer and --out missing beside --texts', 'pools'],
  [
    ['prompts', '--config', 'none.yaml'],
    "the configuration none.yaml can't be read: there is no such file",
    'prompts',
  ],
  [['model'], 'no action given: expected dare model inspect PATH or dare model import PATH or', 'model'],
  [['model', 'import', 'm', '--out', 'o'], 'dare model has no option --out', 'model'],
  [['model', 'costs', 'm', '--out', 's3://b/o'], '--out is s3://b/o: expected a path', 'model'],
  [['model', 'costs', 'nowhere', '--set', 'model.device=gpu'], 'model.device', 'model costs'],
  [['model', 'inspct', 'm'], 'did you mean inspect?', 'model'],
  [['model', 'import'], 'the path of the model is missing', 'model'],
  [['model', 'inspect', 'm', 'n'], 'unexpected argument "n"', 'model'],
  [['model', 'inspect', 'm', '--cache='], '--cache is empty', 'model'],
  [['model', 'inspect', 'm', '--config', 'c'], 'dare model has no option --config', 'model'],
  [['run', '--config', SAMPLE, '--cache', 'c'], '--cache (it belongs to dare model)', 'run'],
  [['modle', 'inspect', 'm'], '; did you mean model?'],
  [['model', 'inspect', 'nowhere'], 'there is no model at', 'model inspect'],
  [['model', 'import', 'nowhere', '--cache', 'c'], 'there is no model at', 'model import'],
  [['prompts', '--config', SAMPLE, '--set', 'decode.nodes'], 'expected path.to.key=value', 'prompts'],
  [['prompts', '--config', SAMPLE, '--set', 'decode.nodse=1'], 'did you mean nodes?', 'prompts'],
  [['prompts', '--config', SAMPLE, '--partition', '../up'], `partition "../up" can't be used`, 'prompts'],
  [['prompts', '--config', SAMPLE, '--partition', '.hidden'], `partition ".hidden" can't be used`, 'prompts'],
  [['prompts', '--config', SAMPLE, '--partition', 'a/b'], `partition "a/b" can't be used`, 'prompts'],
  [['decode', '--config', SAMPLE, '--mode', 'gredy'], 'decode.mode (--mode): is "gredy"', 'decode'],
];

test('wrong usage and configuration: exit code 2, one message with a hint, a line of JSON', async () => {
  await withFolder(async (folder) => {
    for (const [args, message, stage = null] of WRONG) {
      const finished = await dare(args, folder);
      const typed = `dare ${args.join(' ')}\n${finished.stderr}`;
      assert.is(finished.code, 2, typed);
      // With --json the message stands in a JSON string.
      const said = args.includes('--json') ? JSON.stringify(message).slice(1, -1) : message;
      assert.ok(finished.stderr.includes(said), typed);
      assert.match(finished.stderr, /hint/);
      assert.not.match(finished.stderr, /\n {4}at /);
      const { error, ...rest } = resultOf(finished);
      assert.equal(rest, { stage, exitCode: 2 });
      assert.ok(String(error).includes(message), typed);
    }
    assert.equal(readdirSync(folder), []);
  });
});

test('every wrong key of a configuration stands in the error, also in its JSON', async () => {
  await withFolder(async (folder) => {
    writeFileSync(
      join(folder, 'bad.yaml'),
      'lake: lake\npartition: p\ndecode: { mdoe: greedy, topK: "2" }\n',
    );
    const finished = await dare(['prompts', '--config', 'bad.yaml'], folder);
    assert.is(finished.code, 2);
    for (const part of [
      'inputs: missing',
      'decode.mdoe (line 3): unknown key',
      'decode.topK (line 3): is "2"',
    ]) {
      assert.ok(finished.stderr.includes(part), finished.stderr);
      assert.ok(String(resultOf(finished).error).includes(part));
    }
    assert.not.ok(existsSync(join(folder, 'lake')));
  });
});

/** Ways to look at a stage that succeeds: options, what stderr may hold. */
const VIEWS: readonly [options: string[], stderr: RegExp][] = [
  [
    [],
    /^prompts: 0 of 1,100\nprompts: 1,100 of 1,100, .*done in .*\nwarning: there is no cohorts table.*\n$/,
  ],
  [['--quiet'], /^warning: there is no cohorts table.*\n$/],
  [
    ['--json'],
    /^\{"level":"info".*"event":"start","stage":"prompts".*\n\{.*"progress":\{"label":"prompts".*\n(\{.*\}\n)*$/,
  ],
  [['--json', '--quiet'], /^\{"level":"warn".*\}\n$/],
];

test('a stage that succeeds: exit code 0, the result as the last line of stdout, people served on stderr', async () => {
  await withFolder(async (folder) => {
    for (const [options, stderr] of VIEWS) {
      const finished = await dare(['prompts', '--config', SAMPLE, '--lake', 'lake', ...options], folder);
      assert.is(finished.code, 0, finished.stderr);
      assert.match(finished.stderr, stderr);
      assert.is(finished.stdout.split('\n').length, 2);
      const result = resultOf(finished);
      assert.equal([result.stage, result.partition, result.rows], ['prompts', 'sample', 1100]);
      assert.equal(result.files, [join(folder, 'lake/prompts/partition=sample/prompts.parquet')]);
      assert.is((result.warnings as string[]).length, 1);
    }
  });
});

test('--partition and --set reach the stage', async () => {
  await withFolder(async (folder) => {
    const args = ['prompts', '--config', SAMPLE, '--lake', 'l', '--partition', '2024', '--quiet'];
    const finished = await dare([...args, '--set', 'prompts.frameworks=[kar, once]'], folder);
    assert.equal([resultOf(finished).partition, resultOf(finished).rows], ['2024', 2200]);
  });
});

test('a missing input file is the input error of the stage', async () => {
  await withFolder(async (folder) => {
    const args = ['prompts', '--config', SAMPLE, '--lake', 'lake', '--set', 'inputs.items.path=none.csv'];
    const finished = await dare(args, folder);
    assert.is(finished.code, 2);
    assert.match(finished.stderr, /error: dare prompts: .*none\.csv/);
    assert.is(resultOf(finished).exitCode, 2);
  });
});

const SIGNALS: readonly [signal: 'SIGINT' | 'SIGTERM', code: number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
];

for (const [signal, code] of SIGNALS) {
  test(`${signal} stops a stage with exit code ${code} and leaves no half file`, async () => {
    await withFolder(async (folder) => {
      const args = ['segment', '--config', SAMPLE, '--lake', folder];
      const finished = await dare(args, folder, { after: 'cohorts: started', signal });
      assert.is(finished.code, code, finished.stderr);
      assert.match(finished.stderr, new RegExp(`warning: stopped by ${signal}: ending the current step`));
      assert.equal(resultOf(finished), { stage: 'segment', error: `stopped by ${signal}`, exitCode: code });
      const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      );
      assert.equal(files, []);
    });
  });
}

test('the stack is shown with --debug only', async () => {
  const finished = await dare(['prompts', '--config', 'none.yaml', '--debug']);
  assert.is(finished.code, 2);
  assert.match(finished.stderr, /\n {4}at .*\n[\s\S]*caused by Error: ENOENT/);
});

test.run();
