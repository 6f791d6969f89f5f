/** `dare decode` on a GPU, here one that the CPU plays: the CPU's texts, clean ends, and refusals in one sentence. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeWorker } from '../../src/decode/client.js';
import { packageRoot } from '../../src/paths.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { greedy, requestOf, tokenizer } from '../decode/fixture.js';
import {
  hasSwiftShader,
  llama,
  smallest,
  swiftShader,
  withoutGpu,
  writeFamily,
} from '../engine/webgpu/fixture.js';
import { safetensors, tensorOf } from '../model/fixture.js';
import { filesBelow, inFolder, readTable } from '../prompts/fixture.js';
import {
  cache,
  copyModel,
  limited,
  promptColumns,
  sampleModel,
  somePrompts,
  writePrompts,
} from './fixture.js';

// for the processes that are started here
process.env.NODE_OPTIONS = `--import ${join(packageRoot, 'dist/tests/engine/webgpu/unhurried.js')}`;

const gpuTest = hasSwiftShader ? test : test.skip;
if (!hasSwiftShader) test('nothing without a GPU', withoutGpu);

function decode(
  model: string,
  prompts: string,
  out: string,
  set: readonly string[],
  env: Record<string, string> = { VK_ICD_FILENAMES: swiftShader },
): Promise<Finished> {
  const settings = [`model.cache=${cache}`, 'decode.maxNewTokens=6', ...set].flatMap((key) => ['--set', key]);
  return limited(['decode', '--model', model, '--prompts', prompts, '--out', out, ...settings], { env });
}

/** A model of one small layer with the tokenizer of the sample's; returns its folder. */
function smallModel(folder: string, change: (name: string, values: Float32Array) => void = () => {}): string {
  const model = llama({ ...smallest, vocabulary: tokenizer.vocabularySize });
  const path = copyModel(folder);
  const tensors = Object.entries(model.tensors).map(([name, shape]) => {
    const values = tensorOf(name, shape);
    change(name, values);
    return { name, shape, bytes: new Uint8Array(values.buffer) };
  });
  writeFileSync(join(path, 'config.json'), JSON.stringify(model.config));
  writeFileSync(join(path, 'model.safetensors'), safetensors(tensors, 'F32'));
  return path;
}

// what steps cost is measured where there are drafts: half a minute of a CPU that plays the GPU for the sample's model
for (const [what, modelIn, mode] of [
  ["the sample's model", () => sampleModel, 'autoregressive'],
  ['a small model with drafts', smallModel, 'greedy'],
] as const) {
  gpuTest(`${what}: the texts of webgpu are those of the CPU, and what decodes is said`, async () => {
    await inFolder(async (folder) => {
      const model = modelIn(folder);
      const prompts = await writePrompts(folder, somePrompts(3));
      const texts: unknown[] = [];
      for (const device of ['cpu', 'webgpu']) {
        const out = join(folder, `${device}.parquet`);
        const set = [
          `model.device=${device}`,
          'model.weights=float32',
          `decode.mode=${mode}`,
          'decode.concurrency=2',
        ];
        const finished = await decode(model, prompts, out, set);
        assert.is(finished.code, 0, finished.stderr);
        assert.is(resultOf(finished).rows, 3);
        assert.match(
          finished.stderr,
          device === 'cpu' ? /decoding on cpu/ : /decoding on webgpu, swiftshader/,
        );
        const rows = await readTable(out);
        texts.push(
          rows.map(({ prompt_id, text, output_tokens, error }) => [prompt_id, text, output_tokens, error]),
        );
      }
      assert.is((texts[0] as unknown[]).length, 3);
      assert.equal(texts[1], texts[0]);
    });
  });
}

gpuTest('SIGINT within a step: exit code 130, nothing left', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder, somePrompts(40), promptColumns);
    mkdirSync(join(folder, 'out'));
    const args = [
      '--model',
      sampleModel,
      '--prompts',
      prompts,
      '--out',
      join(folder, 'out', 'texts.parquet'),
    ];
    // without drafts no costs are measured before the first step
    const plain = ['--mode', 'autoregressive', '--concurrency', '2'];
    const settings = ['--set', `model.cache=${cache}`, '--set', 'model.device=webgpu', ...plain];
    const kill = { after: 'decoding on webgpu', signal: 'SIGINT' } as const;
    const finished = await dare(['decode', ...args, ...settings], folder, kill);
    assert.is(finished.code, 130, finished.stderr);
    assert.equal(filesBelow(join(folder, 'out')), []);
  });
});

gpuTest('auto takes the CPU and says why', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder, somePrompts(1));
    const out = join(folder, 'texts.parquet');
    const finished = await decode(sampleModel, prompts, out, []);
    assert.is(finished.code, 0, finished.stderr);
    assert.match(finished.stderr, /decoding on cpu \(the only GPU is an emulated one\)/);
  });
});

const faults: readonly [what: string, set: string[], says: RegExp, env?: Record<string, string>][] = [
  [
    'an adapter that is not there',
    ['model.adapter=RTX'],
    /No GPU has "RTX" in its name \(found: SwiftShader/,
  ],
  ['float16 where the GPU has none', ['model.weights=float16'], /has no float16 arithmetic/],
  [
    'no driver',
    [],
    /No GPU can be used: WebGPU finds no adapter/,
    { VK_ICD_FILENAMES: '/nowhere/driver.json' },
  ],
];
for (const [what, set, says, env] of faults) {
  gpuTest(`webgpu with ${what}: exit code 2, and the earlier texts stay`, async () => {
    await inFolder(async (folder) => {
      mkdirSync(join(folder, 'out'));
      const out = join(folder, 'out', 'texts.parquet');
      writeFileSync(out, 'earlier');
      const prompts = await writePrompts(folder);
      const finished = await decode(sampleModel, prompts, out, ['model.device=webgpu', ...set], env);
      assert.is(finished.code, 2, finished.stderr);
      assert.match(finished.stderr, /^error: dare decode: [^\n]*\nhint: [^\n]*\n$/m);
      assert.match(String(resultOf(finished).error), says);
      assert.equal(filesBelow(join(folder, 'out')), ['texts.parquet']);
      assert.is(readFileSync(out, 'utf8'), 'earlier');
    });
  });
}

gpuTest('NaN among the weights: exit code 1, and no half file', async () => {
  await inFolder(async (folder) => {
    const path = smallModel(folder, (name, values) => {
      if (name === 'lm_head.weight') values[7] = Number.NaN;
    });
    mkdirSync(join(folder, 'out'));
    const out = join(folder, 'out', 'texts.parquet');
    const finished = await decode(path, await writePrompts(folder), out, ['model.device=webgpu']);
    assert.is(finished.code, 1, finished.stderr);
    assert.match(String(resultOf(finished).error), /The model computed NaN or an infinite logit/);
    assert.equal(filesBelow(join(folder, 'out')), []);
  });
});

gpuTest('a decoding thread that is closed with texts in flight ends cleanly, its device alive', async () => {
  const worker = await DecodeWorker.start({
    engine: { model: writeFamily(llama(smallest)), cache, slots: 2, threads: 1, device: 'webgpu' },
    vocabulary: smallest.vocabulary,
    endTokens: [],
  });
  assert.match(worker.device, /^webgpu, /);
  worker.use({ ...greedy, maxNewTokens: 20 });
  worker.usePools(new Map());
  const first = await worker.decode(requestOf([1, 2, 3]), '');
  assert.is(first.outputIds.length, 20);
  const flying = [0, 1, 2].map((i) =>
    worker.decode(requestOf([1, 2, 3 + i]), '').catch((error: Error) => error),
  );
  await worker.close();
  for (const error of await Promise.all(flying))
    assert.match((error as Error).message, /^The decoding thread was closed$/);
});

test.run();
