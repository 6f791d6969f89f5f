import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { importModel, inspect } from '../../pipeline/model.js';
import { removeUnfinished } from '../../src/model/cache-folder.js';
import type { ModelReport } from '../../src/model/inspect.js';
import { prepareInThread } from '../../src/model/prepare-thread.js';
import { silentProgress } from '../../src/report/progress.js';
import type { StageTools } from '../../src/stage.js';
import { dare, resultOf } from '../cli/spawn.js';
import { modelFolder } from '../decode/fixture.js';
import { type FamilyCase, references, writeModel } from '../model/fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-model-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const ignore = () => {};
const tools: StageTools = {
  log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  progress: silentProgress,
  signal: new AbortController().signal,
};

/** A case of the families with the sample's tokenizer, which has more tokens than the model unless it is told so. */
function familyFolder(name: string, change: (model: FamilyCase) => void = ignore): string {
  const model = structuredClone(references.cases.find((known) => known.name === name) as FamilyCase);
  change(model);
  const path = mkdtempSync(join(folder, 'family-'));
  writeModel(path, model, 'BF16', 2);
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    cpSync(join(modelFolder, file), join(path, file));
  return path;
}

const inspected = (path: string) => inspect(path, join(folder, 'cache')) as unknown as ModelReport;

test('the sample model: what it is, what it needs, supported', async () => {
  const finished = await dare(['model', 'inspect', 'data-samples/model']);
  assert.is(finished.code, 0, finished.stderr);
  const { stage, path, shape, ...result } = resultOf(finished);
  assert.equal([stage, path], ['model inspect', modelFolder]);
  assert.is((shape as ModelReport['shape'])?.context, 1024);
  assert.equal(result, {
    supported: true,
    reasons: [],
    architecture: 'LlamaForCausalLM',
    parameters: 5_999_872,
    weights: { F16: 11_999_744 },
    // 6 layers, keys and values, 4 heads of 32, 4 bytes
    memory: { kvPerToken: 6144, kvPerSequence: 6144 * 1024, weights: 23_999_488 },
    tokenizer: { type: 'BPE', vocabulary: 6144 },
    chatTemplate: true,
    warnings: [],
  });
  for (const line of [/^architecture {2}LlamaForCausalLM, 6 million parameters$/m, /^supported +yes$/m]) {
    assert.match(finished.stderr, line);
  }
});

test('a window is what limits the context', async () => {
  const path = familyFolder('mistral, tied, window');
  assert.is(inspected(path).shape?.context, 64);
  const finished = await dare(['model', 'inspect', path, '--cache', join(folder, 'cache')]);
  assert.match(finished.stderr, /^context +64 tokens \(the width of its attention window/m);
});

const unsupported: readonly [what: string, path: () => string, reason: RegExp, architecture?: string][] = [
  [
    'a larger tokenizer',
    () => familyFolder('qwen3'),
    /tokenizer has 6144 tokens, its weights have 256/,
    'Qwen3ForCausalLM',
  ],
  [
    'another architecture',
    () =>
      familyFolder('llama', ({ config }) => Object.assign(config, { architectures: ['GPT2LMHeadModel'] })),
    /GPT2LMHeadModel .* isn't supported; LlamaForCausalLM/,
    'GPT2LMHeadModel',
  ],
  [
    'a tensor of another size',
    () => familyFolder('llama', ({ config }) => Object.assign(config, { intermediate_size: 80 })),
    /gate_proj.weight" has the shape \[160, 96\]/,
    'LlamaForCausalLM',
  ],
  [
    'a tensor missing',
    () => familyFolder('qwen2', ({ tensors }) => delete tensors['model.norm.weight']),
    /no tensor "model.norm.weight"/,
    'Qwen2ForCausalLM',
  ],
  ['nothing in it', () => mkdtempSync(join(folder, 'empty-')), /config.json can't be read/],
];

for (const [what, make, reason, architecture] of unsupported) {
  test(`a model with ${what} is told to be unsupported`, () => {
    const report = inspected(make());
    assert.is(report.supported, false);
    assert.ok(
      report.reasons.some((sentence) => reason.test(sentence)),
      report.reasons.join('\n'),
    );
    assert.is(report.architecture, architecture);
  });
}

test('a model without a chat template is told to lack it', () => {
  const path = familyFolder('llama');
  writeFileSync(join(path, 'tokenizer_config.json'), '{}');
  const report = inspected(path);
  assert.is(report.chatTemplate, false);
  assert.ok(report.reasons.some((sentence) => /chat template/.test(sentence)));
});

test('import prepares a model once and tells where', async () => {
  const cache = join(folder, 'import');
  const path = familyFolder('qwen3, tied, biases');
  const first = await importModel(path, tools, { cache });
  assert.is(first.cached, false);
  assert.equal(readdirSync(cache), [String(first.folder).slice(cache.length + 1)]);
  for (const file of ['decoder.onnx', 'weights.bin']) assert.ok(existsSync(join(String(first.folder), file)));
  const finished = await dare(['model', 'import', path, '--cache', cache]);
  assert.is(finished.code, 0, finished.stderr);
  const second = resultOf(finished);
  assert.equal(
    [second.stage, second.cached, second.folder, second.bytes, second.fingerprint],
    ['model import', true, first.folder, first.bytes, first.fingerprint],
  );
  assert.match(finished.stderr, /was prepared already in .*import/);
  const smaller = resultOf(await dare(['model', 'import', path, '--cache', cache, '--weights', 'int8']));
  assert.is(smaller.cached, false);
  assert.ok(Number(smaller.bytes) < Number(first.bytes) / 2, `${smaller.bytes} of ${first.bytes} bytes`);
  const refused = await dare(['model', 'import', path, '--cache', cache, '--weights', 'float16']);
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /float16 is no weight type for the CPU: expected float32, int8, int4/);
});

test('an import that is stopped leaves nothing behind', async () => {
  const cache = join(folder, 'stopped');
  mkdirSync(cache);
  const controller = new AbortController();
  const reason = new Error('stopped');
  const watcher = watch(cache, () => controller.abort(reason));
  try {
    await prepareInThread({ path: modelFolder, cache, weights: 'float32' }, controller.signal);
  } catch (error) {
    assert.is(error, reason);
  } finally {
    watcher.close();
  }
  assert.ok(controller.signal.aborted);
  assert.equal(
    readdirSync(cache).filter((name) => name.includes('.tmp-')),
    [],
  );
});

test('only what this process left unfinished is removed, by a thread of it too', async () => {
  const cache = join(folder, 'unfinished');
  // containers that share a cache have the same process ids
  for (const name of ['a', `b.tmp-${process.pid}-x`, 'b.tmp-1-x'])
    mkdirSync(join(cache, name), { recursive: true });
  const module = new URL('../../src/model/cache-folder.js', import.meta.url).href;
  const thread = new Worker(
    `import(${JSON.stringify(module)}).then(({ cachedFolder }) =>
      cachedFolder(${JSON.stringify(join(cache, 'b'))}, (own) => {
        require('node:worker_threads').parentPort.postMessage(own);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      }));`,
    { eval: true },
  );
  const [own] = (await once(thread, 'message')) as [string];
  await thread.terminate();
  assert.ok(existsSync(own), 'what was ended in the middle is there still');
  removeUnfinished(cache);
  assert.equal(readdirSync(cache).sort(), ['a', 'b.tmp-1-x', `b.tmp-${process.pid}-x`].sort());
  removeUnfinished(join(folder, 'nowhere'));
});

test.run();
