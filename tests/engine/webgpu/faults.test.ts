/** GPUs that go away, weights that are broken, and memory that doesn't suffice. */

import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeLoop } from '../../../src/decode/loop.js';
import { OwnDrafting } from '../../../src/draft/drafting.js';
import { GpuDevice } from '../../../src/engine/webgpu/device.js';
import { WebGpuEngine } from '../../../src/engine/webgpu/engine.js';
import { DareError } from '../../../src/errors.js';
import { greedy, requestOf } from '../../decode/fixture.js';
import { type FamilyCase, references, safetensors, tensorOf } from '../../model/fixture.js';
import { errorOf } from '../../prompts/fixture.js';
import {
  cache,
  hasGpu,
  llama,
  smallest,
  someFolder,
  someIds,
  someTree,
  withoutGpu,
  writeFamily,
} from './fixture.js';

const gpuTest = hasGpu ? test : test.skip;
if (!hasGpu) test('nothing without a GPU', withoutGpu);

const family = references.cases[0] as FamilyCase;

async function opened(model: FamilyCase, slots: number | undefined): Promise<[WebGpuEngine, GpuDevice]> {
  const gpu = await GpuDevice.open(undefined, 'float32');
  return [await WebGpuEngine.open({ model: writeFamily(model), cache, slots }, gpu), gpu];
}

function assertLost(error: Error): void {
  assert.instance(error, DareError);
  const { message, exitCode, hint } = error as DareError;
  assert.match(message, /^The GPU .* was lost: .+$/);
  assert.is(exitCode, 1);
  assert.match(String(hint), /Start again/);
}

gpuTest('a device that is lost between two steps, and within one', async () => {
  for (const within of [false, true]) {
    const [engine, gpu] = await opened(family, 2);
    const step = () => engine.step([{ slot: 0, tree: someTree(5, 4, 256) }], 2);
    await engine.admit(0, someIds(20, 256));
    await step();
    engine.keep(0, [0]);
    let failing: Promise<unknown> | undefined;
    if (within) failing = step();
    gpu.device.destroy();
    assertLost(await errorOf(() => failing ?? step()));
    assertLost(await errorOf(step));
    await engine.close();
  }
});

gpuTest('a device that is lost with prompts waiting', async () => {
  const [engine, gpu] = await opened(family, 2);
  await engine.admit(0, someIds(100, 256));
  gpu.device.destroy();
  assertLost(await errorOf(() => engine.step([{ slot: 0, tree: someTree(5, 4, 256) }], 2)));
  await engine.close();
});

gpuTest(
  'texts that were finished before the loss are there, all others fail with the same error',
  async () => {
    const [engine, gpu] = await opened(family, 2);
    const loop = new DecodeLoop(
      engine,
      { ...greedy, maxNewTokens: 5 },
      new OwnDrafting(256, new Set([])),
      new Set([]),
    );
    const done: number[] = [];
    const texts = [0, 1, 2, 3, 4, 5].map((i) =>
      loop.decode(requestOf(someIds(10 + i, 256, i)), {}).then(
        ({ outputIds }) => {
          done.push(outputIds.length);
          // the first texts are finished
          gpu.device.destroy();
          return undefined;
        },
        (error: Error) => error,
      ),
    );
    const errors = (await Promise.all(texts)).filter((error) => error !== undefined);
    assert.equal(done, [5, 5]);
    assert.is(errors.length, 4);
    for (const error of errors) assertLost(error);
    assert.is(new Set(errors).size, 1);
    await engine.close();
  },
);

for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
  gpuTest(`weights of ${value} are refused when the engine is opened`, async () => {
    const model = llama(smallest);
    const path = writeFamily(model);
    const tensors = Object.entries(model.tensors).map(([name, shape]) => {
      const values = tensorOf(name, shape);
      if (name.includes('o_proj')) values[3] = value;
      return { name, shape, bytes: new Uint8Array(values.buffer) };
    });
    writeFileSync(join(path, 'model.safetensors'), safetensors(tensors, 'F32'));
    const gpu = await GpuDevice.open(undefined, 'float32');
    const error = await errorOf(() => WebGpuEngine.open({ model: path, cache, slots: 1 }, gpu));
    assert.match(error.message, /The model computed NaN or an infinite logit/);
    assert.is(error.exitCode, 1);
    assert.match(String(error.hint), /weights are broken/);
  });
}

gpuTest(
  'a weight that is larger than the GPU takes: the model is too large, whatever the concurrency',
  async () => {
    const gpu = await GpuDevice.open(undefined, 'float32');
    const most = Math.min(gpu.device.limits.maxBufferSize, gpu.device.limits.maxStorageBufferBindingSize);
    const hidden = 2 ** 12;
    const model = llama({ ...smallest, hidden, vocabulary: Math.ceil(most / hidden / 4) });
    const path = someFolder();
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'config.json'), JSON.stringify(model.config));
    // zeros that take no room on the disk
    let size = 0;
    const header: Record<string, unknown> = {};
    for (const [name, shape] of Object.entries(model.tensors)) {
      const bytes = shape.reduce((product, length) => product * length, 4);
      header[name] = { dtype: 'F32', shape, data_offsets: [size, size + bytes] };
      size += bytes;
    }
    const text = JSON.stringify(header);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const file = join(path, 'model.safetensors');
    writeFileSync(file, Buffer.concat([length, Buffer.from(text)]));
    truncateSync(file, 8 + text.length + size);
    const error = await errorOf(() => WebGpuEngine.open({ model: path, cache, slots: 1 }, gpu));
    assert.match(
      error.message,
      /The GPU takes buffers of up to \d+ bytes, model.embed_tokens.weight needs \d+/,
    );
    assert.is(error.exitCode, 1);
    assert.match(String(error.hint), /too large for this GPU: choose another/);
  },
);

gpuTest('the batch is as large as the memory allows, when nobody says how large', async () => {
  // 1,024 columns x 2 x 4 heads x 256 x 4 bytes: 128 sequences and some margin are more than SwiftShader's 1 GiB
  const [engine, gpu] = await opened(
    llama({ ...smallest, heads: 4, kvHeads: 4, headSize: 256, context: 1024 }),
    undefined,
  );
  const most = Math.min(gpu.device.limits.maxBufferSize, gpu.device.limits.maxStorageBufferBindingSize);
  assert.is(engine.slots, most > 2 ** 30 ? 128 : 64);
  await engine.close();
});

gpuTest('more rows than a dispatch takes: a sentence that names what to lower', async () => {
  const [engine] = await opened(llama({ ...smallest, vocabulary: 16, context: 64 }), 600);
  const tree = { tokens: new Int32Array(110).fill(3), parents: new Int32Array(110).fill(0) };
  tree.parents[0] = -1;
  for (let slot = 0; slot < 600; slot++) await engine.admit(slot, Int32Array.of(3));
  const inputs = Array.from({ length: 600 }, (_, slot) => ({ slot, tree }));
  const error = await errorOf(() => engine.step(inputs, 2));
  assert.match(
    error.message,
    /The GPU takes 65535 rows, accepted tokens and copied blocks a step, this one has 66000/,
  );
  assert.is(error.exitCode, 1);
  assert.match(String(error.hint), /Lower decode.concurrency or decode.nodes/);
  await engine.close();
});

test.run();
