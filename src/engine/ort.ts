/** What the engines on ONNX Runtime share: how a session is opened, and what its failures mean. */
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { type DareError, messageOf, runError } from '../errors.js';
import { mebibytes } from './memory.js';

// onnxruntime-node is CommonJS with named exports that Node's ESM loader doesn't see
export const ort = createRequire(import.meta.url)('onnxruntime-node') as typeof import('onnxruntime-node');

/** What computes the graph; operators that CUDA doesn't have run on the CPU. */
export type OrtProvider = 'cpu' | 'cuda';

export interface SessionOptions {
  /** Of one operator; ONNX Runtime's own choice (all cores) when 0. */
  threads: number;
  /**
   * Whether threads wait for work in a loop: it saves a millisecond of a short step, but takes the cores from everything
   * else (without it steps of 16 texts with drafts were a sixth faster).
   */
  spinning: boolean;
  provider: OrtProvider;
}

/** A graph, and what is said of it where it can't be loaded. */
export interface GraphFile {
  file: string;
  /** Bytes of its weights. */
  bytes: number;
  /** What to do where they take too much memory. */
  smaller: string;
  /** What to do where it can't be loaded for another reason. */
  broken: string;
}

/** Opens a graph. Rejects with runError when it can't be loaded, or memory isn't enough for it. */
export async function openSession(
  { file, bytes, smaller, broken }: GraphFile,
  { threads, spinning, provider }: SessionOptions,
): Promise<InferenceSession> {
  try {
    return await ort.InferenceSession.create(file, {
      executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // fatal: an error is thrown, and would be said twice
      logSeverityLevel: 4,
      // x64quantprecision: processors without VNNI add int8 products in 16 bits, which overflow, unless it is asked for
      extra: { session: { x64quantprecision: '1', intra_op: { allow_spinning: spinning ? '1' : '0' } } },
    });
  } catch (error) {
    if (!isOutOfMemory(error)) {
      throw runError(`ONNX Runtime can't load ${file}: ${messageOf(error)}`, broken, error);
    }
    throw runError(
      `Memory isn't enough to load ${file}: its weights alone take ${mebibytes(bytes)}`,
      smaller,
      error,
    );
  }
}

/** Runs a graph. Rejects with runError when memory isn't enough for the step. */
export async function runSession(
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  fetches: readonly string[],
): Promise<InferenceSession.OnnxValueMapType> {
  try {
    return await session.run(feeds, fetches);
  } catch (error) {
    throw isOutOfMemory(error) ? stepTooLarge(error) : error;
  }
}

function stepTooLarge(error: unknown): DareError {
  return runError(
    "Memory isn't enough for a step of the model",
    'Lower decode.concurrency, or give the process more memory.',
    error,
  );
}

/** What the C++ library, its allocators for CPU and CUDA and the operating system say. */
function isOutOfMemory(error: unknown): boolean {
  return /bad_alloc|bad allocation|allocate memory|out of memory|allocation failed|ENOMEM/i.test(
    messageOf(error),
  );
}
