/** Which device is chosen, and what is said where none can be. */
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Weights } from '../../../src/config/schema.js';
import { type EngineOptions, openEngine } from '../../../src/engine/open.js';
import { GpuDevice } from '../../../src/engine/webgpu/device.js';
import { DareError } from '../../../src/errors.js';
import { type FamilyCase, references } from '../../model/fixture.js';
import { cache, hasSwiftShader, llama, smallest, swiftShader, withoutGpu, writeFamily } from './fixture.js';

const gpuTest = hasSwiftShader ? test : test.skip;
if (!hasSwiftShader) test('nothing of emulated GPUs', withoutGpu);

const model = writeFamily(llama(smallest));
const options = (more: Partial<EngineOptions>): EngineOptions => ({
  model,
  cache,
  slots: undefined,
  threads: 1,
  device: 'auto',
  ...more,
});

/** What an engine says of itself. */
async function opened(
  more: Partial<EngineOptions>,
): Promise<[device: string, weights: string, slots: number]> {
  const { engine, device, weights } = await openEngine(options(more));
  await engine.close();
  return [device, weights, engine.slots];
}

/** The error that opening ends with. */
async function refused(more: Partial<EngineOptions>): Promise<DareError> {
  try {
    const { engine } = await openEngine(options(more));
    await engine.close();
  } catch (error) {
    assert.instance(error, DareError);
    return error as DareError;
  }
  throw new Error('an engine was opened');
}

/** Does the work with another list of Vulkan drivers. */
async function withDriver<T>(drivers: string, work: () => Promise<T>): Promise<T> {
  const before = process.env.VK_ICD_FILENAMES as string;
  process.env.VK_ICD_FILENAMES = drivers;
  try {
    return await work();
  } finally {
    process.env.VK_ICD_FILENAMES = before;
  }
}

const emulated = (work: () => Promise<void>) => () => withDriver(swiftShader, work);

gpuTest(
  'auto with an emulated GPU: the CPU, and why',
  emulated(async () => {
    assert.equal(await opened({}), ['cpu (the only GPU is an emulated one)', 'float32', 16]);
  }),
);

test('auto where no driver is installed: the CPU, without asking Vulkan', async () => {
  const folders = ['/etc', '/usr/share', '/usr/local/share', '/usr/local/etc'];
  const drivers = folders.map((folder) => `${folder}/vulkan/icd.d`).filter((folder) => existsSync(folder));
  if (drivers.some((folder) => readdirSync(folder).length > 0))
    return console.log('note: a Vulkan driver is installed here, so that its absence is not tested');
  const before = process.env.VK_ICD_FILENAMES as string;
  delete process.env.VK_ICD_FILENAMES;
  try {
    assert.equal(await opened({}), ['cpu (no GPU driver is installed)', 'float32', 16]);
  } finally {
    process.env.VK_ICD_FILENAMES = before;
  }
});

test('auto without a usable driver: the CPU, and why', async () => {
  await withDriver('/nowhere/driver.json', async () => {
    assert.equal(await opened({ slots: 3 }), [
      'cpu (No GPU can be used: WebGPU finds no adapter)',
      'float32',
      3,
    ]);
  });
});

for (const weights of ['int8', 'int4'] as const) {
  test(`auto with ${weights}: the CPU, and why`, async () => {
    assert.equal(await opened({ weights }), [`cpu (${weights} weights are for CPUs)`, weights, 16]);
  });
}

test('cpu: no GPU is looked for', async () => {
  await withDriver('/nowhere/driver.json', async () => {
    assert.equal(await opened({ device: 'cpu', weights: 'int8', slots: 2 }), ['cpu', 'int8', 2]);
  });
});

gpuTest(
  'webgpu: an emulated GPU too, with a batch that fits',
  emulated(async () => {
    const [device, weights, slots] = await opened({ device: 'webgpu' });
    assert.match(device, /^webgpu, swiftshader.* \(SwiftShader driver/);
    assert.equal([weights, slots], ['float32', 128]);
    assert.is((await opened({ device: 'webgpu', slots: 5, adapter: 'SwiftShader' }))[2], 5);
  }),
);

const faults: readonly [what: string, more: Partial<EngineOptions>, message: RegExp, hint: RegExp][] = [
  [
    'an adapter that is not there',
    { adapter: 'RTX' },
    /^No GPU has "RTX" in its name \(found: SwiftShader Device \(Subzero\)\)$/,
    /model.adapter must be a part of such a name/,
  ],
  ['float16 on a GPU without it', { weights: 'float16' }, /has no float16 arithmetic/, /auto or float32/],
  ...(['int8', 'int4'] as Weights[]).map(
    (weights) =>
      [
        weights,
        { weights },
        new RegExp(`Weights of ${weights} are for CPUs`),
        /auto, float16 or float32/,
      ] as [string, Partial<EngineOptions>, RegExp, RegExp],
  ),
  [
    'Gemma',
    { model: writeFamily(references.cases.find(({ name }) => name === 'gemma3') as FamilyCase) },
    /can't run on a GPU: the kernels have no Gemma layers/,
    /model.device to cpu/,
  ],
];
for (const [what, more, message, hint] of faults) {
  gpuTest(
    `webgpu with ${what} is refused`,
    emulated(async () => {
      const error = await refused({ device: 'webgpu', ...more });
      assert.is(error.exitCode, 2);
      assert.match(error.message, message);
      assert.match(String(error.hint), hint);
    }),
  );
}

test('webgpu without a driver is refused', async () => {
  await withDriver('/nowhere/driver.json', async () => {
    const error = await refused({ device: 'webgpu' });
    assert.is(error.exitCode, 2);
    assert.match(error.message, /No GPU can be used: WebGPU finds no adapter/);
    assert.match(String(error.hint), /needs a GPU with a Vulkan driver/);
  });
});

gpuTest(
  'more sequences than the GPU has memory for are refused, and the device is given back',
  emulated(async () => {
    const large = writeFamily(llama({ ...smallest, headSize: 256, context: 1024 }));
    // 1,024 columns x 2 x 256 x 4 bytes: 600 of them are more than a buffer of 1 GiB
    const error = await refused({ device: 'webgpu', model: large, slots: 600 });
    assert.is(error.exitCode, 1);
    assert.match(error.message, /The GPU takes buffers of up to 1073741824 bytes, the KV cache needs \d+/);
    assert.match(String(error.hint), /Lower decode.concurrency/);
    const destroyed: boolean[] = [];
    const gpu = await GpuDevice.open(undefined, 'float32');
    void gpu.device.lost.then(({ reason }) => destroyed.push(reason === 'destroyed'));
    const { WebGpuEngine } = await import('../../../src/engine/webgpu/engine.js');
    await WebGpuEngine.open({ model: large, cache, slots: 600 }, gpu).catch(() => undefined);
    await gpu.device.lost;
    assert.equal(destroyed, [true]);
  }),
);

test.run();
