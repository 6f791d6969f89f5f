/** `dare decode` on its own: any Parquet with prompts in, a Parquet with texts out. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TextModel } from '../../src/text/tokenizer.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { filesBelow, inFolder, isKept, readTable, schemaOf, writeTable } from '../prompts/fixture.js';
import { cache, oneByOne, sampleModel, somePrompts, textColumns, textRows, writePrompts } from './fixture.js';

interface Run extends Finished {
  out: string;
  rows: Record<string, unknown>[];
}

/** Runs `dare decode`; `rows` is what it wrote. */
async function decode(
  folder: string,
  prompts: string,
  more: readonly string[] = [],
  tokens = 8,
): Promise<Run> {
  const out = join(folder, 'texts.parquet');
  const files = ['--model', sampleModel, '--prompts', prompts, '--out', out];
  const settings = ['--set', `model.cache=${cache}`, '--set', `decode.maxNewTokens=${tokens}`];
  const finished = await dare(['decode', ...files, ...settings, '--quiet', ...more]);
  return { ...finished, out, rows: existsSync(out) ? await readTable(out) : [] };
}

async function succeed(folder: string, prompts: string, more: readonly string[] = []): Promise<Run> {
  const run = await decode(folder, prompts, more);
  assert.is(run.code, 0, run.stderr);
  return run;
}

const outputColumns = {
  prompt_id: 'VARCHAR',
  entity_type: 'VARCHAR',
  entity_id: 'VARCHAR',
  framework: 'VARCHAR',
  cohort: 'VARCHAR',
  text: 'VARCHAR',
  output_token_ids: 'INTEGER[]',
  vector: 'FLOAT[]',
  finish_reason: 'VARCHAR',
  prompt_tokens: 'INTEGER',
  output_tokens: 'INTEGER',
  emitted_tokens: 'INTEGER',
  decode_steps: 'INTEGER',
  drafted_tokens: 'INTEGER',
  accepted_tokens: 'INTEGER',
  relaxed_tokens: 'INTEGER',
  relaxed_positions: 'INTEGER[]',
  divergence: 'DOUBLE',
  near_ties: 'INTEGER',
  pool_version: 'VARCHAR',
  round: 'INTEGER',
  error: 'VARCHAR',
  text_key: 'VARCHAR',
};

test('prompts with all columns: one row each, the documented columns and types, their own keys kept', async () => {
  await inFolder(async (folder) => {
    const prompts = somePrompts(4);
    const { out, rows, ...finished } = await succeed(folder, await writePrompts(folder, prompts));
    assert.equal(await schemaOf(out), outputColumns);
    assert.equal(resultOf(finished).rows, 4);
    assert.equal(resultOf(finished).files, [out]);
    assert.is(rows.length, 4);
    const tokenizer = TextModel.load(sampleModel);
    for (const [i, row] of rows.entries()) {
      const { prompt = '', ...keys } = prompts[i] ?? {};
      for (const [key, value] of Object.entries(keys)) assert.is(row[key], value);
      assert.is(row.prompt_tokens, tokenizer.encodePrompt(prompt).length);
      assert.is(row.finish_reason, 'length');
      assert.is(row.output_tokens, 8);
      assert.is(row.error, null);
      assert.ok((row.text as string).length > 0);
    }
    assert.equal(filesBelow(folder), ['prompts.parquet', 'texts.parquet']);
  });
});

test('the ways to give a prompt: a chat decodes as the same prompt does, optional columns may be missing', async () => {
  await inFolder(async (folder) => {
    const columns = { prompt_id: 'VARCHAR', prompt: 'VARCHAR' };
    const plain = await succeed(folder, await writePrompts(folder, somePrompts(2), columns));
    const chats = join(folder, 'chats.parquet');
    const messages = somePrompts(2).map(({ prompt_id, prompt }) => ({
      prompt_id,
      messages: [{ role: 'user', content: prompt }],
    }));
    const type = 'STRUCT(role VARCHAR, content VARCHAR)[]';
    await writeTable(chats, { prompt_id: 'VARCHAR', messages: type }, messages);
    const chat = await succeed(folder, chats);
    const seen = ({ rows }: Run) =>
      rows.map(({ prompt_id, text, prompt_tokens }) => [prompt_id, text, prompt_tokens]);
    assert.is(plain.rows.length, 2);
    assert.equal(seen(chat), seen(plain));
    for (const name of ['entity_type', 'entity_id', 'framework', 'cohort'])
      assert.equal(
        plain.rows.map((row) => row[name]),
        [null, null],
        name,
      );
  });
});

test('no prompts: an empty table of the same columns', async () => {
  await inFolder(async (folder) => {
    const { out, rows, ...finished } = await succeed(folder, await writePrompts(folder, []));
    assert.equal(rows, []);
    assert.equal(await schemaOf(out), outputColumns);
    assert.equal([resultOf(finished).rows, resultOf(finished).tokensPerStep], [0, null]);
  });
});

const unusable: readonly [name: string, prompt: string | null, error: RegExp][] = [
  ['too long', 'love and war '.repeat(3000), /has \d+ tokens, the model's context of \d+ leaves no room/],
  ['null', null, /prompt is null/],
  ['empty', '  ', /prompt is empty/],
];

test('prompts that cannot be decoded: rows with the reason below maxFailedShare, above it nothing', async () => {
  await inFolder(async (folder) => {
    const rows = [...somePrompts(4), ...unusable.map(([prompt_id, prompt]) => ({ prompt_id, prompt }))];
    const file = await writePrompts(folder, rows);
    const share = ['--set', 'decode.maxFailedShare=0.5'];
    const run = await succeed(folder, file, share);
    assert.match(run.stderr, /warning: 3 of 7 prompts could not be decoded/);
    assert.is(resultOf(run).failed, 3);
    for (const [name, , error] of unusable) {
      const row = run.rows.find(({ prompt_id }) => prompt_id === name) ?? {};
      assert.match(row.error as string, error);
      for (const column of ['text', 'output_token_ids', 'vector', 'finish_reason', 'output_tokens'])
        assert.is(row[column], null, column);
    }
    assert.is(run.rows.filter(({ text }) => text !== null).length, 4);
    const before = readFileSync(run.out);
    const failed = await decode(folder, file);
    assert.is(failed.code, 1, failed.stderr);
    assert.match(
      failed.stderr,
      /3 of 7 prompts can't be decoded, more than decode\.maxFailedShare \(0\.01\) allows/,
    );
    assert.ok(before.equals(readFileSync(run.out)), 'the earlier texts stay');
    const files = filesBelow(folder);
    assert.equal(
      files.filter((name) => !isKept(name)),
      ['prompts.parquet', 'texts.parquet'],
    );
    assert.match(
      failed.stderr,
      /hint: .* 4 finished texts are kept: run it again, and it goes on behind them/,
    );
    const again = await succeed(folder, file, share);
    assert.equal([resultOf(again).rows, resultOf(again).resumed, resultOf(again).failed], [7, 7, 3]);
    assert.ok(before.equals(readFileSync(again.out)), 'the same table of kept texts');
    assert.equal(filesBelow(folder), ['prompts.parquet', 'texts.parquet']);
  });
});

test('a chat with a role that there is not fails alone, also where its name is made of those of others', async () => {
  await inFolder(async (folder) => {
    const chats = join(folder, 'chats.parquet');
    const roles = [['user', 'assistant', 'user'], ['user assistant user'], ['user'], ['user ']];
    const rows = roles.map((all, i) => ({
      prompt_id: `p${i}`,
      messages: all.map((role) => ({ role, content: 'A film about love.' })),
    }));
    const type = 'STRUCT(role VARCHAR, content VARCHAR)[]';
    await writeTable(chats, { prompt_id: 'VARCHAR', messages: type }, rows);
    const run = await succeed(folder, chats, ['--set', 'decode.maxFailedShare=0.5']);
    const errors = new Map(run.rows.map(({ prompt_id, error }) => [prompt_id, error]));
    assert.equal([errors.get('p0'), errors.get('p2')], [null, null]);
    assert.is(errors.get('p1'), '"user assistant user" is no role of a chat');
    assert.is(errors.get('p3'), '"user " is no role of a chat');
  });
});

test('texts go neither into a folder nor over their prompts: exit code 2 before anything is decoded', async () => {
  await inFolder(async (folder) => {
    const file = await writePrompts(folder, somePrompts(1));
    const before = readFileSync(file);
    for (const [out, says] of [
      [folder, /--out: .* is a folder/],
      [file, /--out: .* is the file of the prompts/],
    ] as const) {
      const files = ['--model', sampleModel, '--prompts', file, '--out', out];
      const finished = await dare(['decode', ...files, '--quiet']);
      assert.is(finished.code, 2, finished.stderr);
      assert.match(finished.stderr, says);
    }
    assert.ok(before.equals(readFileSync(file)));
    assert.equal(filesBelow(folder), ['prompts.parquet']);
  });
});

test('relaxed drafts of a given size: the same texts with any concurrency and any number of threads', async () => {
  await inFolder(async (folder) => {
    const file = await writePrompts(folder, somePrompts(24));
    const texts = async (...more: string[]) => {
      const sized = ['--mode', 'relaxed', '--set', 'decode.nodes=6', '--set', 'decode.minProb=0.01'];
      const { rows } = await succeed(folder, file, [...sized, ...more]);
      rmSync(join(folder, 'texts.parquet'));
      assert.is(rows.length, 24);
      return rows.filter(({ near_ties }) => near_ties === 0).map(({ prompt_id, text }) => [prompt_id, text]);
    };
    const alone = await texts('--concurrency', '1');
    const both = (other: unknown[][]) => {
      const ids = new Set(other.map(([id]) => id));
      return alone.filter(([id]) => ids.has(id));
    };
    for (const more of [
      ['--concurrency', '16'],
      ['--set', 'model.threads=1'],
    ]) {
      const others = await texts(...more);
      const known = new Set(alone.map(([id]) => id));
      assert.equal(
        others.filter(([id]) => known.has(id)),
        both(others),
        more.join(' '),
      );
    }
  });
});

test('special tokens in a prompt are text: the chat has no more turns than the template gives it', async () => {
  await inFolder(async (folder) => {
    const prompt = 'Hi<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>';
    const { rows } = await succeed(folder, await writePrompts(folder, [{ prompt_id: 'a', prompt }]));
    const tokenizer = TextModel.load(sampleModel);
    const turns = (text: string) => {
      const start = tokenizer.encodePrompt('').find(() => true);
      return tokenizer.encodePrompt(text).filter((id) => id === start).length;
    };
    assert.is(turns(prompt), turns('Hi'));
    assert.is(rows[0]?.prompt_tokens, tokenizer.encodePrompt(prompt).length);
    assert.is(rows[0]?.error, null);
  });
});

test('pools: named in the rows; a cohort without one drafts from the shared pool and is counted', async () => {
  await inFolder(async (folder) => {
    const texts = join(folder, 'old.parquet');
    await writeTable(texts, textColumns, textRows);
    const pools = join(folder, 'pools');
    const built = await dare([
      'pools',
      '--texts',
      texts,
      '--tokenizer',
      sampleModel,
      '--out',
      pools,
      '--quiet',
    ]);
    assert.is(built.code, 0, built.stderr);
    const run = await succeed(folder, await writePrompts(folder, somePrompts(6)), ['--pools', pools]);
    const { version } = resultOf(built);
    assert.type(version, 'string');
    assert.equal(
      run.rows.map((row) => [row.pool_version, row.round]),
      Array(6).fill([version, 0]),
    );
    // cohort 2 of items and of users has no pool
    assert.is(resultOf(run).unknownCohort, 2);
    assert.match(run.stderr, /warning: 2 prompts are of a cohort without a pool/);
    // a pool changes how many steps a text takes, not a greedy text
    const greedy = ['--mode', 'greedy', ...oneByOne];
    const text = ({ rows }: Run) => rows.map((row) => row.text);
    const file = join(folder, 'prompts.parquet');
    const drafted = text(await succeed(folder, file, [...greedy, '--pools', pools]));
    assert.equal(drafted, text(await succeed(folder, file, ['--mode', 'autoregressive'])));
  });
});

test('without settings the documented defaults are used', async () => {
  await inFolder(async (folder) => {
    const known = readFileSync('tests/golden/model-reference.jsonl', 'utf8').split('\n', 4);
    const asked = known.map((line) => JSON.parse(line) as { id: string; prompt: string });
    const file = await writePrompts(
      folder,
      asked.map(({ id, prompt }) => ({ prompt_id: id, prompt })),
    );
    const run = async (settings: readonly string[]) => {
      const out = join(folder, 'out.parquet');
      const args = ['--model', sampleModel, '--prompts', file, '--out', out, '--set', `model.cache=${cache}`];
      const finished = await dare([
        'decode',
        ...args,
        '--quiet',
        ...settings.flatMap((one) => ['--set', one]),
      ]);
      assert.is(finished.code, 0, finished.stderr);
      const rows = (await readTable(out)).map(({ vector, divergence, ...row }) => row);
      return { rows, result: resultOf(finished) };
    };
    const plain = await run([]);
    assert.is(plain.result.mode, 'relaxed');
    const documented = [
      'mode=relaxed',
      'maxNewTokens=256',
      'topK=3',
      'minProb=0.05',
      'divergenceBudget=4',
      'minGain=5',
    ];
    const named = await run(documented.map((setting) => `decode.${setting}`));
    assert.equal(named.rows, plain.rows);
    const texts = plain.rows.map(({ output_tokens }) => output_tokens as number);
    assert.ok(Math.max(...texts) <= 256);
    assert.ok(Math.max(...texts) > 64, `texts are cut off by nothing else: ${texts}`);
  });
});

test('mode sample: the seed decides the texts, not the concurrency; keys of another mode are refused', async () => {
  await inFolder(async (folder) => {
    const file = await writePrompts(folder, somePrompts(6));
    const draw = async (seed: number, concurrency: number) => {
      const settings = `decode.sampling={ temperature: 0.9, topP: 0.95, seed: ${seed} }`;
      const run = await succeed(folder, file, [
        ...['--mode', 'sample', '--concurrency', String(concurrency), '--set', settings],
      ]);
      assert.is(resultOf(run).mode, 'sample');
      return run.rows.map(({ text, near_ties }) => (near_ties === 0 ? text : undefined));
    };
    const texts = await draw(1, 1);
    assert.ok(texts.some((text) => text !== undefined));
    (await draw(1, 8)).forEach((text, i) => {
      if (text !== undefined && texts[i] !== undefined) assert.is(text, texts[i]);
    });
    assert.not.equal(await draw(2, 1), texts);
    const before = readFileSync(join(folder, 'texts.parquet'));
    const refused = await decode(folder, file, ['--mode', 'greedy', '--set', 'decode.sampling.topK=40']);
    assert.is(refused.code, 2);
    assert.match(refused.stderr, /decode\.sampling\.topK .*is for mode sample; mode greedy draws nothing/);
    assert.ok(before.equals(readFileSync(join(folder, 'texts.parquet'))));
  });
});

test('stop strings end text and tokens, in every round', async () => {
  await inFolder(async (folder) => {
    const file = await writePrompts(folder, somePrompts(6));
    const whole = await succeed(folder, file, ['--mode', 'greedy']);
    const first = whole.rows[0]?.text as string;
    const stop = first.slice(4, 9);
    const run = await succeed(folder, file, [
      '--mode',
      'greedy',
      '--set',
      `decode.stop=${JSON.stringify([stop])}`,
    ]);
    let ended = 0;
    const tokenizer = TextModel.load(sampleModel);
    for (const [i, row] of run.rows.entries()) {
      const text = whole.rows[i]?.text as string;
      const at = text.indexOf(stop);
      assert.is(row.text, at < 0 ? text : text.slice(0, at));
      if (at < 0) continue;
      ended++;
      assert.is(row.finish_reason, 'stop');
      const ids = row.output_token_ids as number[];
      assert.is(row.output_tokens, ids.length);
      assert.ok((row.text as string).startsWith(tokenizer.decode(ids)));
    }
    assert.ok(ended > 0);
  });
});

test('a failing run leaves an earlier file as it was', async () => {
  await inFolder(async (folder) => {
    const file = await writePrompts(folder, [{ prompt_id: null, prompt: 'x' }]);
    writeFileSync(join(folder, 'texts.parquet'), 'earlier');
    const finished = await dare([
      'decode',
      ...['--model', sampleModel, '--prompts', file, '--out', join(folder, 'texts.parquet')],
      ...['--set', `model.cache=${cache}`, '--quiet'],
    ]);
    assert.is(finished.code, 2);
    assert.is(readFileSync(join(folder, 'texts.parquet'), 'utf8'), 'earlier');
    assert.equal(filesBelow(folder), ['prompts.parquet', 'texts.parquet']);
  });
});

test.run();
