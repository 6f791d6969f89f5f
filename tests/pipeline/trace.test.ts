/** `dare decode --trace` and `dare explain`, as a user runs them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { explain } from '../../pipeline/explain.js';
import type { Options } from '../../src/cli/arguments.js';
import { traceOptions } from '../../src/cli/trace-options.js';
import type { StepRecord, TraceRecord } from '../../src/decode/trace-records.js';
import { dare, resultOf } from '../cli/spawn.js';
import { errorOf, inFolder, readTable } from '../prompts/fixture.js';
import { cache, sampleModel, somePrompts, writePrompts } from './fixture.js';

const rules = ['--set', 'decode.maxNewTokens=30', '--set', 'decode.nodes=8'];

async function decode(folder: string, name: string, ...more: string[]) {
  const out = join(folder, `${name}.parquet`);
  const files = ['--model', sampleModel, '--prompts', join(folder, 'prompts.parquet'), '--out', out];
  const done = await dare([
    'decode',
    ...files,
    '--set',
    `model.cache=${cache}`,
    ...rules,
    '--quiet',
    ...more,
  ]);
  return { done, out };
}

const linesOf = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n');
const recordsOf = (file: string) => linesOf(file).map((line) => JSON.parse(line) as TraceRecord);

test('a trace changes no text; explain ends with the text of the row', async () => {
  await inFolder(async (folder) => {
    await writePrompts(folder, somePrompts(6));
    const trace = join(folder, 'new', 'trace.jsonl');
    const plain = await decode(folder, 'plain');
    const traced = await decode(folder, 'traced', '--trace', trace, '--trace-limit', '4');
    assert.is(traced.done.code, 0, traced.done.stderr);
    const rows = await readTable(traced.out);
    assert.equal(rows, await readTable(plain.out));
    const records = recordsOf(trace);
    const told = records.flatMap((record) => (record.type === 'text' ? [record.prompt_id] : []));
    assert.is(told.length, 4);
    for (const id of told) {
      const explained = await dare(['explain', id, '--trace', trace, '--json']);
      assert.is(explained.code, 0, explained.stderr);
      const row = rows.find(({ prompt_id }) => prompt_id === id) ?? {};
      const result = resultOf(explained);
      assert.is(result.text, row.text);
      const writing = (result.steps as StepRecord[]).filter(({ next }) => next !== null);
      assert.is(writing.length, Number(row.decode_steps));
      const drawn = await dare(['explain', id, '--trace', trace]);
      assert.ok(drawn.stderr.trimEnd().endsWith(String(row.text).split('\n').at(-1) ?? ''));
      assert.not('steps' in resultOf(drawn));
    }
    const missing = await dare(['explain', 'p9', '--trace', trace]);
    assert.is(missing.code, 2);
    assert.match(missing.stderr, /doesn't tell of the prompt "p9": it tells of "p\d", "p\d", "p\d", "p\d"\n/);
  });
});

test('prompts are traced by name; what is not decoded is said', async () => {
  await inFolder(async (folder) => {
    await writePrompts(folder, somePrompts(3));
    const trace = join(folder, 'trace.jsonl');
    const { done } = await decode(
      folder,
      't',
      '--trace',
      trace,
      '--trace-prompts',
      'p2',
      '--trace-prompts',
      'px',
    );
    assert.is(done.code, 0, done.stderr);
    assert.equal(
      recordsOf(trace).flatMap((record) => (record.type === 'prompt' ? [record.prompt_id] : [])),
      ['p2'],
    );
    assert.match(done.stderr, /warning: .*trace\.jsonl doesn't tell of "px": no such prompt was decoded/);
  });
});

test('a file that is no trace stays as it is', async () => {
  await inFolder(async (folder) => {
    const prompts = readFileSync(await writePrompts(folder, somePrompts(1)));
    const { done } = await decode(folder, 'out', '--trace', join(folder, 'prompts.parquet'));
    assert.is(done.code, 2, done.stderr);
    assert.match(done.stderr, /prompts\.parquet is there, and is no trace/);
    assert.equal(readFileSync(join(folder, 'prompts.parquet')), prompts);
  });
});

const refused: [Options, RegExp][] = [
  [{ 'trace-prompts': ['p1'] }, /^--trace-prompts needs --trace FILE/],
  [{ 'trace-limit': '3' }, /^--trace-limit needs --trace FILE/],
  [{ trace: 'x', 'trace-prompts': ['p'], 'trace-limit': '1' }, /exclude each other/],
  [{ trace: 'x', 'trace-limit': '0' }, /^--trace-limit is "0", expected a whole number/],
  [{ trace: 'x', 'trace-prompts': Array(1001).fill('p') }, /names 1001 prompts, expected up to 1000/],
];
test('which prompts: the first ten, the first so many, or those named, each once; all else is refused', async () => {
  assert.equal(traceOptions({}), {});
  assert.equal(traceOptions({ trace: 'x' }), { trace: { file: 'x', prompts: 10 } });
  assert.equal(traceOptions({ trace: 'x', 'trace-limit': '2' }), { trace: { file: 'x', prompts: 2 } });
  const named = traceOptions({ trace: 'x', 'trace-prompts': ['b', 'a', 'b'] });
  assert.equal(named, { trace: { file: 'x', prompts: ['b', 'a'] } });
  for (const [options, message] of refused) {
    const error = await errorOf(() => traceOptions(options));
    assert.match(error.message, message);
    assert.is(error.exitCode, 2);
  }
});

/** A trace of one prompt with one step, whose only node has this text. */
function traceOf(text: string): string {
  const node = {
    token: 7,
    text,
    parent: 0,
    chance: 0.5,
    matched: { cohort: 1, shared: 0, own: 0 },
    probability: 0.25,
    rank: 1,
    gap: 0.7,
    verdict: 'relaxed',
  };
  const counts = {
    decode_steps: 1,
    drafted_tokens: 1,
    accepted_tokens: 1,
    relaxed_tokens: 1,
    divergence: 0.7,
  };
  const entity = { entity_type: null, entity_id: null, framework: text, cohort: text };
  const lines = [
    {
      type: 'run',
      version: 2,
      model: 'm',
      mode: 'relaxed',
      top_k: 2,
      min_prob: 0.1,
      divergence_budget: 4,
      min_gain: 5,
      end_tokens: [2],
    },
    { type: 'prompt', prompt_id: 'p', ...entity, prompt_tokens: 3, pool_version: null, round: 0 },
    {
      type: 'step',
      prompt_id: 'p',
      step: 1,
      last: 1,
      last_text: text,
      spent: 0.1,
      nodes: [node],
      next: { token: 2, text: '', probability: 0.9, emitted: true },
    },
    { type: 'text', prompt_id: 'p', text, output_token_ids: [7], finish_reason: 'stop', ...counts },
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

test('explain: nothing that a terminal acts on gets through, and a relaxed token says what it cost', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'trace.jsonl');
    writeFileSync(file, traceOf('\u001b[2Ja\u0007\r\n\u202eb\u009b'));
    const { code, stderr } = await dare(['explain', 'p', '--trace', file]);
    assert.is(code, 0, stderr);
    assert.not.match(stderr.replaceAll('\n', ''), /\p{C}/u);
    assert.match(stderr, /~ "\\u\{1b\}\[2Ja\\u\{7\}\\r\\n\\u\{202e\}b\\u\{9b\}" +p 0\.250 {2}chance 0\.500/);
    assert.match(stderr, /rank 2, 0\.70 nats below the first: 0\.80 of 4 spent/);
    assert.match(stderr, /> <token 2>/);
  });
});

test('explain: a last line that was cut off is left out, any other broken line is an error that names it', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'trace.jsonl');
    const whole = traceOf('a');
    writeFileSync(file, `${whole}{"type":"prompt","prompt_id":"q","ent`);
    assert.is((await explain({ promptId: 'p', trace: file, steps: false })).text, 'a');
    const broken: [string, RegExp][] = [
      [whole.replace('"step":1', '"step":'), /line 3 of .*trace\.jsonl is broken: /],
      [
        whole.replace('"parent":0', '"parent":5'),
        /line 3 of .* is broken: a node follows one that comes behind it/,
      ],
      [whole.replace('"spent":0.1', '"spent":"x"'), /line 3 of .* is broken: spent: /],
      ['PAR1', /line 1 of .* is broken/],
      ['', /is no trace/],
    ];
    for (const [text, message] of broken) {
      writeFileSync(file, text);
      const error = await errorOf(() => explain({ promptId: 'p', trace: file, steps: false }));
      assert.match(error.message, message);
      assert.is(error.exitCode, 2);
    }
    const gone = await dare(['explain', 'p', '--trace', join(folder, 'none.jsonl')]);
    assert.is(gone.code, 2);
    assert.match(gone.stderr, /the trace .*none\.jsonl can't be read/);
  });
});

test.run();
