/** The profile of a step: every kernel is there, and what is timed computes the same. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GpuDevice } from '../../src/engine/webgpu/device.js';
import { DispatchTimer, type StepKernel, timesOf } from '../../src/engine/webgpu/dispatch-timer.js';
import { WebGpuEngine } from '../../src/engine/webgpu/engine.js';
import {
  cache,
  hasGpu,
  llama,
  smallest,
  someIds,
  someTree,
  weights,
  withoutGpu,
  writeFamily,
} from '../engine/webgpu/fixture.js';
import { KernelProfiler } from './kernel-profile.js';
import { stepWork } from './kernel-work.js';

const gpuTest = hasGpu ? test : test.skip;
if (!hasGpu) test('nothing without a GPU', withoutGpu);

/** Dispatches of a step of one layer without norms of heads, whose attention isn't divided. */
const ofOneLayer: Record<Exclude<StepKernel, 'attention join' | 'norms of heads'>, number> = {
  embedding: 1,
  qkv: 1,
  attention: 1,
  'attention output': 1,
  'gate and up': 1,
  down: 1,
  'final norm': 1,
  'vocabulary head': 1,
  verdicts: 1,
};

test('a pass counts from the end of the one before, copies from there in any case', () => {
  const passes = [
    { kernel: 'qkv', variant: 'matmul-rows' },
    { kernel: 'down', variant: 'matmul-rows' },
    { kernel: 'verdicts', variant: 'verdict' },
    { kernel: 'read-back', variant: '' },
  ] as const;
  const times = BigUint64Array.of(5000n, 9000n, 6000n, 12_000n, 13_000n, 15_000n, 19_000n, 19_500n);
  assert.equal(
    timesOf(passes, times).map(({ microseconds, idle }) => [microseconds, idle]),
    [
      [4, 0],
      [3, 0],
      [2, 1],
      [4.5, 0],
    ],
  );
});

gpuTest('a step that is timed gives the same verdicts, and the time of each dispatch', async () => {
  const gpu = await GpuDevice.open(undefined, weights, true);
  const engine = await WebGpuEngine.open({ model: writeFamily(llama(smallest)), cache, slots: 2 }, gpu);
  try {
    const timer = new DispatchTimer(gpu.device);
    const { vocabulary } = smallest;
    const prompt = someIds(41, vocabulary);
    await engine.admit(0, prompt);
    await engine.admit(1, prompt);
    const tree = someTree(7, 5, vocabulary);
    const inputs = [0, 1].map((slot) => ({ slot, tree }));
    const verdicts = async () => {
      const found = await engine.step(inputs, 2);
      return found.map((of) => [0, 1, 2, 3, 4].map((row) => [of.logit(row, 0), of.token(row, 1)]));
    };
    const untimed = await verdicts();
    gpu.timer = timer;
    assert.equal(await verdicts(), untimed);
    gpu.timer = undefined;
    const work = await timer.read();
    const counts = new Map<string, number>();
    for (const { kernel, microseconds, idle } of work) {
      assert.ok(microseconds >= 0 && idle >= 0, kernel);
      counts.set(kernel, (counts.get(kernel) ?? 0) + 1);
    }
    // a divided attention is joined
    counts.delete('attention join');
    assert.equal(Object.fromEntries(counts), { ...ofOneLayer, 'read-back': 1 });
    assert.equal(await timer.read(), [], 'what was read is gone');
    assert.equal(await verdicts(), untimed);
    assert.equal(await timer.read(), [], 'nothing is timed that the device has no timer for');

    for (const { slot } of inputs) engine.release(slot);
    const profiler = new KernelProfiler(engine, gpu, vocabulary);
    const size = { texts: 2, rows: 3, columns: 35 };
    const { kernels, ...profile } = await profiler.profile(size, 1);
    assert.equal(
      kernels.map(({ kernel }) => kernel).filter((kernel) => kernel !== 'attention join'),
      [...Object.keys(ofOneLayer), 'read-back'],
    );
    assert.ok(kernels.every(({ kernel, variant }) => (variant === '') === (kernel === 'read-back')));
    assert.ok(profile.host > 0 && profile.host <= profile.wall, 'the host hands over before the step ends');
  } finally {
    await engine.close();
  }
});

gpuTest('a device without timestamps has no timer', async () => {
  const gpu = await GpuDevice.open(undefined, weights);
  try {
    assert.throws(() => new DispatchTimer(gpu.device), /no timestamps/);
  } finally {
    await gpu.close();
  }
});

test('what a step computes and reads', () => {
  const work = stepWork({ ...smallest, layers: 3 }, 2, { texts: 2, rows: 4, columns: 60 });
  // 32 inputs, 2 * 16 queries and 2 * 16 keys and values, 3 layers
  assert.equal(work.qkv, { operations: 2 * 8 * 32 * 64 * 3, bytes: 32 * 64 * 2 * 3 });
  // 64 columns of a text, keys and values of 16
  assert.equal(work.attention, { operations: 4 * 8 * 64 * 32 * 3, bytes: 2 * 64 * 2 * 16 * 2 * 3 });
  assert.equal(work['vocabulary head'], { operations: 2 * 8 * 32 * 67, bytes: 32 * 67 * 2 });
  assert.equal(work.verdicts, { bytes: 8 * 67 * 4 });
});

test.run();
