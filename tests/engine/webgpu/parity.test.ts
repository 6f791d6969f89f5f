/** The check of a GPU against plain TypeScript: once a device, model and kernels, and it finds wrong numbers. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GpuDevice } from '../../../src/engine/webgpu/device.js';
import { WebGpuEngine } from '../../../src/engine/webgpu/engine.js';
import { checkParity } from '../../../src/engine/webgpu/parity.js';
import { DareError } from '../../../src/errors.js';
import { openModel } from '../../../src/model/source.js';
import { type FamilyCase, references } from '../../model/fixture.js';
import { hasGpu, withoutGpu, writeFamily } from './fixture.js';

const gpuTest = hasGpu ? test : test.skip;
if (!hasGpu) test('nothing without a GPU', withoutGpu);

const folder = mkdtempSync(join(tmpdir(), 'dare-parity-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const family = (name: string) =>
  writeFamily(references.cases.find((known) => known.name === name) as FamilyCase);
const stamps = (cache: string) => {
  const at = join(cache, 'parity');
  return existsSync(at) ? readdirSync(at) : [];
};

gpuTest('a GPU that computes the model leaves a stamp, once', async () => {
  const cache = join(folder, 'once');
  const model = family('llama');
  const open = async () => {
    const engine = await WebGpuEngine.open(
      { model, cache, slots: 1 },
      await GpuDevice.open(undefined, 'float32'),
    );
    const checked = engine.modelTime.steps > 0;
    await engine.close();
    return checked;
  };
  assert.is(await open(), true);
  const [stamp, ...more] = stamps(cache);
  assert.equal(more, []);
  const text = readFileSync(join(cache, 'parity', stamp as string), 'utf8');
  const { gpu, model: path, difference } = JSON.parse(text) as Record<string, unknown>;
  assert.equal([typeof gpu, path], ['string', model]);
  assert.ok((difference as number) >= 0 && (difference as number) < 1e-3, `${difference}`);
  assert.is(await open(), false, 'it is not checked again');
  assert.equal(stamps(cache), [stamp]);
  const other = family('qwen2');
  const gpuDevice = await GpuDevice.open(undefined, 'float32');
  await (await WebGpuEngine.open({ model: other, cache, slots: 1 }, gpuDevice)).close();
  assert.is(stamps(cache).length, 2, 'another model is checked');
});

gpuTest('an engine that computes something else is refused', async () => {
  const cache = join(folder, 'other');
  const gpu = await GpuDevice.open(undefined, 'float32');
  // "llama, biases" and "llama" have the same sizes: only the biases are missing
  const engine = await WebGpuEngine.open(
    { model: family('llama'), cache: join(folder, 'own'), slots: 1 },
    gpu,
  );
  const path = family('llama, biases');
  const source = openModel(path, cache);
  try {
    await checkParity(engine, gpu, source, cache);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, DareError);
    const { exitCode, message, hint } = error as DareError;
    assert.is(exitCode, 1);
    assert.ok(
      message.startsWith(`The GPU ${gpu.name} computes ${path} wrongly: log-probabilities differ by `),
    );
    assert.match(message, /nats from the CPU's, expected at most 0\.01$/);
    assert.match(
      String(hint),
      /update it, choose another adapter \(model\.adapter\), or set model\.device to cpu/,
    );
  } finally {
    source.close();
    await engine.close();
  }
  assert.equal(stamps(cache), []);
});

test.run();
