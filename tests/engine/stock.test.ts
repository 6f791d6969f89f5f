import { cpSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inspect } from '../../pipeline/model.js';
import { DecodeLoop } from '../../src/decode/loop.js';
import type { DecodeSettings, Outcome } from '../../src/decode/sequence.js';
import type { DraftPools } from '../../src/draft/drafter.js';
import { OwnDrafting } from '../../src/draft/drafting.js';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { Engine, TreeRows, Verdicts } from '../../src/engine/engine.js';
import { type EngineOptions, openEngine } from '../../src/engine/open.js';
import { modelFiles } from '../../src/model/files.js';
import type { ModelReport } from '../../src/model/inspect.js';
import { openModel } from '../../src/model/source.js';
import { PoolBuilder, sharedKey } from '../../src/pool/builder.js';
import { openPool } from '../../src/pool/file.js';
import { greedy, modelFolder, requestOf } from '../decode/fixture.js';
import { type FamilyCase, references, writeModel } from '../model/fixture.js';
import { type StockOptions, writeStockModel } from '../model/stock-decoder.js';
import { dareErrorOf } from './errors.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-stock-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const cache = join(folder, 'cache');

const caseOf = (name: string) => references.cases.find((known) => known.name === name) as FamilyCase;
const options = (model: string, more: Partial<EngineOptions> = {}): EngineOptions => {
  return { model, cache, slots: 4, threads: 1, device: 'auto', ...more };
};

let written = 0;
function stockFolder(name: string, stock: StockOptions = {}): string {
  const path = join(folder, `stock ${written++}`);
  writeStockModel(path, caseOf(name), stock);
  return path;
}

/** The same model as a stock decoder and on the CPU's own graph. */
async function both(
  name: string,
  stock: StockOptions,
  slots: number,
  work: (found: Engine, expected: Engine) => Promise<void>,
): Promise<void> {
  const path = join(folder, name);
  writeModel(path, caseOf(name));
  const { engine } = await openEngine(options(stockFolder(name, stock), { slots }));
  const own = await CpuEngine.open({ model: path, cache, slots, threads: 1 });
  try {
    await work(engine, own);
  } finally {
    await engine.close();
    await own.close();
  }
}

const graphs: readonly [what: string, options: StockOptions][] = [
  ['a mask', {}],
  ['GroupQueryAttention', { fused: true }],
  ['no position_ids', { positions: false, place: 'model.onnx' }],
];
const line = (...tokens: number[]): TreeRows => {
  return { tokens: Int32Array.from(tokens), parents: Int32Array.from(tokens, (_, row) => row - 1) };
};

function same(found: Verdicts, expected: Verdicts, rows: number, where: string): void {
  const close = (a: number, b: number, what: string) =>
    assert.ok(Math.abs(a - b) < 1e-4, `${where}, ${what}: ${a} and ${b}`);
  for (let row = 0; row < rows; row++) {
    for (let rank = 0; rank < 5; rank++) {
      assert.is(found.token(row, rank), expected.token(row, rank), `${where}, row ${row}, rank ${rank}`);
      close(found.logit(row, rank), expected.logit(row, rank), `logit ${rank} of row ${row}`);
      close(found.probability(row, rank), expected.probability(row, rank), `share ${rank} of row ${row}`);
    }
    if (row > 0) close(found.ownProbability(row), expected.ownProbability(row), `own share of row ${row}`);
    const logits = expected.logits(row);
    assert.is(found.logits(row).length, logits.length);
    found.logits(row).forEach((logit, token) => {
      close(logit, logits[token] as number, `logit of ${token}, row ${row}`);
    });
  }
}

for (const [what, stock] of graphs) {
  for (const name of ['llama', 'qwen2', 'qwen3', 'llama, no groups']) {
    test(`${name}, ${what}: sequences of different lengths get the verdicts of the own graph`, async () => {
      await both(name, stock, 3, async (found, expected) => {
        const { prompt } = references;
        const admit = async (slot: number, ids: readonly number[]) => {
          for (const engine of [found, expected]) await engine.admit(slot, Int32Array.from(ids));
        };
        const step = async (inputs: readonly (readonly [slot: number, tree: TreeRows])[]) => {
          const trees = inputs.map(([slot, tree]) => ({ slot, tree }));
          const [a, b] = [
            await found.step(trees, 5, { logits: true }),
            await expected.step(trees, 5, { logits: true }),
          ];
          trees.forEach(({ tree, slot }, i) => {
            same(a[i] as Verdicts, b[i] as Verdicts, tree.tokens.length, `slot ${slot}`);
          });
        };
        const keep = (slot: number, rows: number) => {
          const path = Array.from({ length: rows }, (_, row) => row);
          for (const engine of [found, expected]) engine.keep(slot, path);
        };
        await admit(0, prompt);
        await admit(1, prompt.slice(0, 1));
        await step([
          [1, line(prompt[0] as number, 17, 99)],
          [0, line(prompt.at(-1) as number)],
        ]);
        keep(1, 2);
        keep(0, 1);
        await admit(2, prompt.slice(0, 33));
        await step([
          [0, line(7, 8)],
          [1, line(20)],
          [2, line(prompt[32] as number, 1, 2, 3, 4)],
        ]);
        for (const engine of [found, expected]) engine.release(0);
        keep(1, 1);
        keep(2, 4);
        await step([
          [1, line(30, 31)],
          [2, line(5)],
        ]);
      });
    });
  }
}

/** A loop's texts of beginnings of the prompt. */
async function decode(engine: Engine, settings: DecodeSettings, pools: DraftPools = {}): Promise<Outcome[]> {
  const loop = new DecodeLoop(engine, settings, new OwnDrafting(256, new Set([3])), new Set([3]));
  const lengths = [40, 1, 33, 8, 21, 40];
  return await Promise.all(
    lengths.map((length, i) => loop.decode(requestOf(references.prompt.slice(0, length), `${i}`, 5), pools)),
  );
}

function poolOf(outcomes: readonly Outcome[]): DraftPools {
  const generationPrompt = Int32Array.of(1);
  const builder = new PoolBuilder({ tokenizer: 'tiny', maxLength: 6, generationPrompt, endToken: 3 });
  for (const { outputIds } of outcomes) builder.add(null, null, outputIds, true);
  const shared = [...builder.build()].find(({ key }) => key === sharedKey);
  return { shared: openPool((shared as { bytes: SharedArrayBuffer }).bytes, 'A pool').pool };
}

const idsOf = (outcomes: readonly Outcome[]) => outcomes.map(({ outputIds }) => [...outputIds]);

for (const [what, stock] of graphs) {
  for (const slots of [1, 4]) {
    test(`texts are those of the own graph, with ${what}, ${slots} at a time, with drafts and without`, async () => {
      await both('llama', stock, slots, async (found, expected) => {
        const settings = { ...greedy, maxNewTokens: 60 };
        const plain = await decode(expected, { ...settings, mode: 'autoregressive' });
        const alone = await decode(found, { ...settings, mode: 'autoregressive' });
        const pools = poolOf(plain.slice(0, 4));
        const drafted = await decode(found, settings, pools);
        assert.equal(idsOf(alone), idsOf(plain));
        assert.equal(idsOf(drafted), idsOf(plain));
        assert.equal(
          idsOf(await decode(found, { ...settings, mode: 'sample' }, pools)),
          idsOf(await decode(expected, { ...settings, mode: 'sample' }, pools)),
        );
        assert.ok([...alone, ...drafted].every(({ vector }) => vector === null));
        const sum = (outcomes: readonly Outcome[], of: 'decodeSteps' | 'acceptedTokens') =>
          outcomes.reduce((total, outcome) => total + outcome[of], 0);
        assert.ok(sum(drafted, 'acceptedTokens') > 0);
        assert.ok(sum(drafted, 'decodeSteps') < sum(alone, 'decodeSteps'));
      });
    });
  }
}

test('a tree, a slot that is taken and a missing tree are refused', async () => {
  const { engine } = await openEngine(options(stockFolder('llama')));
  await engine.admit(0, Int32Array.of(5, 6));
  const tree = { tokens: Int32Array.of(6, 7, 8), parents: Int32Array.of(-1, 0, 0) };
  for (const [what, attempt] of [
    ['taken', () => engine.admit(0, Int32Array.of(5))],
    ['empty', () => engine.admit(1, new Int32Array(0))],
    ['tree', () => engine.step([{ slot: 0, tree }], 2)],
    ['no tree', () => engine.step([], 2)],
    ['kept without a step', async () => engine.keep(0, [0])],
  ] as const) {
    let refused = false;
    await Promise.resolve(attempt()).catch(() => {
      refused = true;
    });
    assert.ok(refused, what);
  }
  await engine.close();
});

for (const fused of [false, true]) {
  test(`keys, values and logits in float16${fused ? ', GroupQueryAttention' : ''}: close to the own graph, texts alike with drafts and without`, async () => {
    await both('llama', { type: 'float16', fused }, 3, async (found, expected) => {
      const { prompt } = references;
      const tree = line(7, 8, 9);
      for (const engine of [found, expected]) {
        await engine.admit(0, Int32Array.from([...prompt, 7]));
        await engine.admit(1, Int32Array.from([...prompt.slice(0, 9), 7]));
      }
      const verdicts = async (engine: Engine) => {
        const inputs = [0, 1].map((slot) => ({ slot, tree }));
        return (await engine.step(inputs, 2)).flatMap((verdict) =>
          [0, 1, 2].flatMap((row) => {
            const logits = [verdict.logit(row, 0), verdict.logit(row, 1)];
            return row === 0 ? logits : [...logits, verdict.ownProbability(row)];
          }),
        );
      };
      for (let step = 0; step < 2; step++) {
        const [a, b] = [await verdicts(found), await verdicts(expected)];
        // 11 bits of logits of a few units, and of keys and values
        a.forEach((value, i) => {
          assert.ok(Math.abs(value - (b[i] as number)) < 0.01, `${value} and ${b[i]}`);
        });
        for (const engine of [found, expected]) {
          engine.keep(0, [0, 1]);
          engine.keep(1, [0]);
        }
      }
      for (const engine of [found, expected]) for (const slot of [0, 1]) engine.release(slot);
      const settings = { ...greedy, maxNewTokens: 40, nearTieMargin: found.nearTieMargin };
      const plain = await decode(found, { ...settings, mode: 'autoregressive' });
      const drafted = await decode(found, settings, poolOf(plain));
      assert.ok(drafted.some(({ acceptedTokens }) => acceptedTokens > 0));
      drafted.forEach((outcome, i) => {
        const alone = plain[i] as Outcome;
        if (outcome.nearTies === 0 && alone.nearTies === 0) assert.equal(outcome.outputIds, alone.outputIds);
      });
      assert.ok(
        drafted.some(({ nearTies }) => nearTies === 0),
        'not a text to compare',
      );
    });
  });
}

const layouts: readonly [StockOptions, RegExp][] = [
  [{ rename: { attention_mask: 'mask_of_tokens' } }, /has no input attention_mask/],
  [{ rename: { position_ids: 'use_cache_branch' } }, /has another input, use_cache_branch/],
  [{ rename: { 'past_key_values.1.value': 'past.1.v' } }, /has no input past_key_values\.1\.value/],
  [{ rename: { logits: 'scores' } }, /has no output logits/],
  [{ rename: { 'present.0.key': 'new.0.key' } }, /has no output present\.0\.key/],
  [{ type: 'int8' }, /its past_key_values\.0\.key is the type 3, expected float32 or float16/],
  [{ quantised: true }, /its DynamicQuantizeLinear takes one scale for all rows/],
];
for (const [stock, message] of layouts) {
  test(`a graph of another layout is refused: ${message.source}`, async () => {
    const path = stockFolder('llama', stock);
    const error = await dareErrorOf(() => openEngine(options(path)));
    assert.is(error.exitCode, 2);
    assert.match(error.message, message);
    assert.match(error.hint as string, /float32 or float16/);
    const report = inspect(path, cache) as unknown as ModelReport;
    assert.not(report.supported);
    assert.match(report.reasons[0] as string, message);
  });
}

test('what a stock decoder cannot do is refused', async () => {
  const path = stockFolder('llama');
  const refused: [Partial<EngineOptions>, RegExp][] = [
    [{ device: 'webgpu' }, /runs on the CPU only/],
    [{ weights: 'int8' }, /has the weights that it was exported with, and can't have int8/],
    [{ device: 'cpu', weights: 'float16' }, /can't have float16/],
  ];
  for (const [more, message] of refused) {
    const error = await dareErrorOf(() => openEngine(options(path, more)));
    assert.is(error.exitCode, 2);
    assert.match(error.message, message);
  }
  assert.match((await dareErrorOf(() => openModel(path, cache))).message, /is a stock ONNX decoder/);
});

test('a truncated graph and missing weights are named', async () => {
  const path = stockFolder('llama');
  const file = join(path, 'onnx', 'model.onnx');
  rmSync(`${file}_data`);
  const missing = await dareErrorOf(() => openEngine(options(path)));
  assert.is(missing.exitCode, 1);
  assert.match(missing.message, /ONNX Runtime can't load/);
  truncateSync(file, 5000);
  const truncated = await dareErrorOf(() => openEngine(options(path)));
  assert.is(truncated.exitCode, 2);
  assert.match(truncated.message, /is no ONNX model, or it is truncated/);
});

test('an ONNX file is found by its name, and by that of its folder where it is the only one or model.onnx', async () => {
  const path = stockFolder('llama', { place: 'onnx/model_q4.onnx' });
  const q4 = join(path, 'onnx/model_q4.onnx');
  const found = (model: string) => (inspect(model, cache) as unknown as ModelReport).graph?.file;
  assert.equal([found(q4), found(path)], [q4, q4]);
  writeStockModel(path, caseOf('llama'), { place: 'onnx/model_fp16.onnx' });
  const fp16 = join(path, 'onnx/model_fp16.onnx');
  for (const ambiguous of [
    await dareErrorOf(() => openEngine(options(path))),
    await dareErrorOf(() => modelFiles(path)),
  ]) {
    assert.is(ambiguous.exitCode, 2);
    assert.match(
      ambiguous.message,
      /several ONNX decoders and no model\.onnx: onnx\/model_fp16\.onnx, onnx\/model_q4\.onnx$/,
    );
    assert.match(ambiguous.hint as string, fp16);
  }
  const { engine } = await openEngine(options(fp16));
  await engine.close();
  const names = modelFiles(fp16);
  assert.equal(names.weights, [fp16, `${fp16}_data`, join(path, 'config.json')]);
  writeStockModel(path, caseOf('llama'), { place: 'model.onnx' });
  assert.equal([found(path), found(q4)], [join(path, 'model.onnx'), q4]);
  rmSync(join(path, 'config.json'));
  const alone = await dareErrorOf(() => openEngine(options(q4)));
  assert.is(alone.exitCode, 2);
  assert.match(
    alone.message,
    /model_q4\.onnx has no config\.json, neither beside it nor in the folder above$/,
  );
  const nowhere = await dareErrorOf(() => openEngine(options(join(path, 'nowhere.onnx'))));
  assert.match(nowhere.message, /there is no model at .*nowhere\.onnx/);
});

test('weights of their own are preferred to a stock decoder beside them', async () => {
  const path = stockFolder('llama');
  writeModel(path, caseOf('llama'));
  const { engine, device } = await openEngine(options(path, { device: 'cpu' }));
  assert.instance(engine, CpuEngine);
  assert.is(device, 'cpu');
  await engine.close();
});

test('inspect: a stock decoder, its memory, whether texts share runs', () => {
  for (const [stock, batched, bytes] of [
    [{}, true, 4],
    [{ fused: true }, false, 4],
    [{ type: 'float16' }, true, 2],
  ] as const) {
    const path = stockFolder('llama', stock);
    for (const file of ['tokenizer.json', 'tokenizer_config.json'])
      cpSync(join(modelFolder, file), join(path, file));
    const { summary, ...report } = inspect(path, cache) as unknown as ModelReport & { summary: string };
    assert.equal(report.reasons, ['Its tokenizer has 6144 tokens, its weights have 256']);
    assert.is(report.architecture, 'LlamaForCausalLM');
    const file = join(path, 'onnx', 'model.onnx');
    assert.equal(report.graph, { file, layers: 2, vocabulary: 256, context: 128, batched });
    // 2 layers, keys and values, 2 heads of 16
    assert.is(report.memory?.kvPerToken, 2 * 2 * 2 * 16 * bytes);
    assert.match(summary, /stock ONNX decoder .*CPU only, drafts are lines, no vectors/);
  }
});

test.run();
