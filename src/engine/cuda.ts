/** Where ONNX Runtime's CUDA provider is: its package for Node comes without it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { inputError } from '../errors.js';

/** Libraries of the provider, beside the binding's own. */
const libraries = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];

/** Throws inputError where the provider's libraries aren't installed, with where they belong and where they come from. */
export function requireCuda(folder = bindingFolder()): void {
  const missing = libraries.filter((file) => !existsSync(join(folder, file)));
  if (missing.length === 0) return;
  throw inputError(
    `ONNX Runtime's CUDA provider isn't installed: ${missing.join(' and ')} missing in ${folder}`,
    'Copy both from the Python package onnxruntime-gpu of the same version as onnxruntime-node, ' +
      'or set model.device to webgpu, which is faster.',
  );
}

function bindingFolder(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return join(dirname(main), 'bin/napi-v6', process.platform, process.arch);
}
