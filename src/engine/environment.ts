/** Environment variables that native libraries read. They see only the main thread's, so they are set before its workers. */
import type { EngineOptions } from './open.js';
import { preferAdapter } from './webgpu/adapter.js';

/**
 * Prepares the process for an engine with these options. Throws inputError where `adapter` names a GPU that isn't there.
 */
export function prepareEnvironment({ device, adapter }: Pick<EngineOptions, 'device' | 'adapter'>): void {
  // ONNX Runtime's telemetry: nothing here talks to a network
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  if (device === 'cuda') {
    // its attention in blocks refuses masks whose rows aren't multiples of 16 bytes, which those of trees aren't
    process.env.ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION ??= '1';
    // float32 is float32, not 10 bits of it
    process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  } else {
    preferAdapter(adapter);
  }
}
