import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadStandalone } from '../../src/config/load.js';
import { requireCuda } from '../../src/engine/cuda.js';
import { prepareEnvironment } from '../../src/engine/environment.js';
import { openEngine } from '../../src/engine/open.js';
import { DareError } from '../../src/errors.js';
import { sampleModel } from '../bench/sample.js';

const test = suite('cuda');
const folder = mkdtempSync(join(tmpdir(), 'dare-cuda-'));
test.after(() => rmSync(folder, { recursive: true }));

test('without the provider the error says what is missing, where, and where it comes from', () => {
  writeFileSync(join(folder, 'libonnxruntime_providers_shared.so'), '');
  try {
    requireCuda(folder);
    assert.unreachable('it was found');
  } catch (error) {
    assert.instance(error, DareError);
    const { message, hint, exitCode } = error as DareError;
    assert.is(exitCode, 2);
    assert.is(
      message,
      `ONNX Runtime's CUDA provider isn't installed: libonnxruntime_providers_cuda.so missing in ${folder}`,
    );
    assert.match(hint ?? '', /onnxruntime-gpu of the same version/);
  }
  writeFileSync(join(folder, 'libonnxruntime_providers_cuda.so'), '');
  requireCuda(folder);
});

test('other weights are refused before anything is opened', async () => {
  const options = { model: sampleModel, cache: folder, slots: 1, threads: 1, device: 'cuda' } as const;
  for (const weights of ['float16', 'int8', 'int4'] as const) {
    try {
      await openEngine({ ...options, weights });
      assert.unreachable(`${weights} was taken`);
    } catch (error) {
      assert.match((error as Error).message, `With CUDA weights are float32, not ${weights}`);
    }
  }
});

test('the configuration refuses what CUDA has not', () => {
  const read = (...set: string[]) => loadStandalone(['model.device=cuda', ...set], {});
  assert.is(read().model.device, 'cuda');
  assert.throws(() => read('model.weights=int8'), /expected auto or float32 with model.device cuda/);
  assert.throws(() => read('model.adapter=H100'), /CUDA_VISIBLE_DEVICES/);
});

test('attention and products compute in plain float32', () => {
  const names = ['ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION', 'NVIDIA_TF32_OVERRIDE'] as const;
  prepareEnvironment({ device: 'cpu' });
  for (const name of names) assert.is(process.env[name], undefined);
  prepareEnvironment({ device: 'cuda' });
  assert.equal(
    names.map((name) => process.env[name]),
    ['1', '0'],
  );
  for (const name of names) delete process.env[name];
});

test.run();
