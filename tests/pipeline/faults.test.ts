/** `dare decode` with broken input, broken models and broken disks: one sentence, the right exit code, no half file. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { copyCache } from '../model-cache.js';
import { filesBelow, inFolder, isKept, writeTable } from '../prompts/fixture.js';
import {
  cache,
  copyModel,
  editJson,
  limited,
  promptColumns,
  sampleModel,
  somePrompts,
  textColumns,
  textRows,
  writePrompts,
} from './fixture.js';

interface Fault {
  name: string;
  /** Breaks something in the folder; returns what differs from `--model <sample> --prompts <good file>`. */
  prepare: (folder: string) => Promise<{ model?: string; prompts?: string; more?: string[] }>;
  says: RegExp;
}

const half = (file: string) => truncateSync(file, Math.floor(readFileSync(file).length / 2));

async function poolsIn(folder: string, tokenizer: string = sampleModel): Promise<string> {
  const texts = join(folder, 'old.parquet');
  await writeTable(texts, textColumns, textRows);
  const out = join(folder, 'pools');
  const { code, stderr } = await dare([
    'pools',
    ...['--texts', texts, '--tokenizer', tokenizer, '--out', out, '--quiet'],
  ]);
  assert.is(code, 0, stderr);
  return out;
}

const onlyIds = { prompt_id: 'VARCHAR' };

/** Another tokenizer than the embedded model's, by its end token. */
function otherTokenizer(folder: string): string {
  const model = copyModel(folder);
  editJson(join(model, 'generation_config.json'), { eos_token_id: 3 });
  return model;
}

const faults: readonly Fault[] = [
  {
    name: 'missing prompts',
    prepare: async () => ({ prompts: '/nowhere/prompts.parquet' }),
    says: /\/nowhere\/prompts\.parquet is missing/,
  },
  {
    name: 'no column prompt',
    prepare: async (folder) => ({ prompts: await writePrompts(folder, [{ prompt_id: 'a' }], onlyIds) }),
    says: /neither a column prompt nor messages \(found: prompt_id\)/,
  },
  {
    name: 'a column of the wrong type',
    prepare: async (folder) => ({
      prompts: await writePrompts(folder, [{ prompt_id: 'a', prompt: 1 }], { ...onlyIds, prompt: 'INTEGER' }),
    }),
    says: /the column prompt is INTEGER, expected VARCHAR/,
  },
  {
    name: 'a null prompt_id',
    prepare: async (folder) => ({ prompts: await writePrompts(folder, [{ prompt: 'x' }]) }),
    says: /prompt_id is null in row 1/,
  },
  {
    name: 'a duplicate prompt_id',
    prepare: async (folder) => ({
      prompts: await writePrompts(folder, [...somePrompts(2), ...somePrompts(1)]),
    }),
    says: /the prompt_id "p0" stands in rows 1 and 3/,
  },
  {
    name: 'truncated Parquet',
    prepare: async (folder) => {
      const prompts = await writePrompts(folder);
      half(prompts);
      return { prompts };
    },
    says: /prompts\.parquet can't be read as Parquet/,
  },
  {
    name: 'pools of another tokenizer',
    prepare: async (folder) => ({ more: ['--pools', await poolsIn(folder, otherTokenizer(folder))] }),
    says: /was built for another tokenizer/,
  },
  {
    name: 'a truncated pool',
    prepare: async (folder) => {
      const pools = await poolsIn(folder);
      half(join(pools, readdirSync(pools).find((name) => name.startsWith('shared')) as string));
      return { more: ['--pools', pools] };
    },
    says: /shared\S*\.arrow is no whole pool file/,
  },
  {
    name: 'a folder without pools',
    prepare: async (folder) => ({ more: ['--pools', folder] }),
    says: /holds no pools: its manifest is missing/,
  },
  {
    name: 'truncated weights',
    prepare: async (folder) => {
      const model = copyModel(folder);
      half(join(model, 'model.safetensors'));
      return { model };
    },
    says: /model\.safetensors is not a whole safetensors file/,
  },
  {
    name: 'a foreign tokenizer.json',
    prepare: async (folder) => {
      const model = copyModel(folder);
      writeFileSync(join(model, 'tokenizer.json'), '{"what": "is this"}');
      return { model };
    },
    says: /tokenizer\.json/,
  },
  {
    name: 'a tokenizer with more tokens than the model',
    prepare: async (folder) => {
      const model = copyModel(folder);
      const file = join(model, 'tokenizer.json');
      const json = JSON.parse(readFileSync(file, 'utf8')) as { added_tokens: object[] };
      const more = { ...json.added_tokens[0], id: 999_999, content: '<|foreign|>' };
      writeFileSync(file, JSON.stringify({ ...json, added_tokens: [...json.added_tokens, more] }));
      return { model };
    },
    says: /The tokenizer of .* has token ids up to 999999, its model has 6144 tokens/,
  },
  {
    name: 'another architecture',
    prepare: async (folder) => {
      const model = copyModel(folder);
      editJson(join(model, 'config.json'), { architectures: ['GPT2LMHeadModel'] });
      return { model };
    },
    says: /architecture GPT2LMHeadModel .* isn't supported/,
  },
];

const settings = ['--set', `model.cache=${cache}`, '--set', 'decode.maxNewTokens=4', '--quiet'];

function decodeArguments(model: string, prompts: string, out: string, more: string[] = []): string[] {
  return ['decode', '--model', model, '--prompts', prompts, '--out', out, ...settings, ...more];
}

/** One sentence on stderr, no stack, and the same in the JSON line. */
function assertRefused(finished: Finished, code: number, says: RegExp): void {
  assert.is(finished.code, code, finished.stderr);
  assert.match(finished.stderr, says);
  assert.match(finished.stderr, /^error: dare decode: [^\n]*\n(hint: [^\n]*\n)?$/, finished.stderr);
  assert.match(String(resultOf(finished).error), says);
}

for (const { name, prepare, says } of faults) {
  test(`${name}: exit code 2, and the earlier texts stay`, async () => {
    await inFolder(async (folder) => {
      const out = join(folder, 'out', 'texts.parquet');
      mkdirSync(join(folder, 'out'));
      writeFileSync(out, 'earlier');
      const { model = sampleModel, prompts, more = [] } = await prepare(folder);
      const file = prompts ?? (await writePrompts(folder));
      const ownCache = join(folder, 'cache');
      const own = prompts === undefined ? [] : ['--set', `model.cache=${ownCache}`];
      assertRefused(await dare(decodeArguments(model, file, out, [...more, ...own])), 2, says);
      assert.not.ok(existsSync(ownCache), 'the model is not opened for prompts that are no good');
      assert.equal(filesBelow(join(folder, 'out')), ['texts.parquet']);
      assert.is(readFileSync(out, 'utf8'), 'earlier');
    });
  });
}

const isRoot = process.getuid?.() === 0;

test('a file that may not grow (as on a full disk): exit code 1, no half table, and finished texts are kept', async () => {
  await inFolder(async (folder) => {
    const warm = await dare(
      decodeArguments(sampleModel, await writePrompts(folder), join(folder, 'warm.parquet')),
    );
    assert.is(warm.code, 0, warm.stderr);
    const prompts = await writePrompts(folder, somePrompts(40), promptColumns);
    mkdirSync(join(folder, 'out'));
    const out = join(folder, 'out', 'texts.parquet');
    const finished = await limited(decodeArguments(sampleModel, prompts, out), { fileKiB: 8 });
    assertRefused(finished, 1, /larger than the system allows|no space is left/);
    assert.equal(
      filesBelow(join(folder, 'out')).filter((file) => !isKept(file)),
      [],
    );
    const kept = Number(/hint: .* (\d+) finished texts are kept/.exec(finished.stderr)?.[1]);
    assert.ok(kept > 0 && kept < 40, finished.stderr);
    const again = await dare(decodeArguments(sampleModel, prompts, out));
    assert.equal([again.code, resultOf(again).rows, resultOf(again).resumed], [0, 40, kept], again.stderr);
    assert.equal(filesBelow(join(folder, 'out')), ['texts.parquet']);
  });
});

test('too many prompts without a text: only the finished texts are said to be kept, and to be gone on behind', async () => {
  await inFolder(async (folder) => {
    const rows = somePrompts(6).map((row, i) => (i < 2 ? { ...row, prompt: null } : row));
    const prompts = await writePrompts(folder, rows);
    const args = decodeArguments(sampleModel, prompts, join(folder, 'texts.parquet'));
    const failed = await dare(args);
    assert.is(failed.code, 1, failed.stderr);
    assert.match(failed.stderr, /2 of 6 prompts can't be decoded, .* 4 finished texts are kept:/s);
    const again = await dare([
      ...args.filter((arg) => arg !== '--quiet'),
      '--set',
      'decode.maxFailedShare=0.5',
    ]);
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stderr, /^4 of 6 texts were finished before: going on behind them$/m);
    assert.equal([resultOf(again).resumed, resultOf(again).failed], [6, 2], 'rows, the failed ones too');
  });
});

test('no prompt with a text: nothing is said to be kept', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(
      folder,
      somePrompts(2).map((row) => ({ ...row, prompt: null })),
    );
    const failed = await dare(decodeArguments(sampleModel, prompts, join(folder, 'texts.parquet')));
    assert.is(failed.code, 1, failed.stderr);
    assert.not.match(failed.stderr, /finished texts/);
  });
});

test('a read-only output folder: exit code 1, nothing written', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder);
    const own = join(folder, 'cache');
    copyCache(own);
    execFileSync('chmod', ['-R', 'a+rwX', own]);
    mkdirSync(join(folder, 'out'));
    chmodSync(folder, 0o755);
    chmodSync(prompts, 0o644);
    chmodSync(join(folder, 'out'), 0o555);
    const args = decodeArguments(sampleModel, prompts, join(folder, 'out', 'texts.parquet'));
    const more = ['--set', `model.cache=${own}`];
    const finished = await limited([...args, ...more], { home: own, ...(isRoot ? { uid: 65534 } : {}) });
    assertRefused(finished, 1, /permission is denied/);
    assert.equal(filesBelow(join(folder, 'out')), []);
    chmodSync(join(folder, 'out'), 0o755);
  });
});

test.run();
