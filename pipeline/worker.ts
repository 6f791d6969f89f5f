import { DecodeWorker } from '../src/decode/client.js';
import type { EngineOptions } from '../src/engine/open.js';
import type { TextModel } from '../src/text/tokenizer.js';

/**
 * Does `work` with a model in a thread of its own, which is closed afterwards, and as soon as the signal is aborted.
 * @throws `signal.reason` where it was: after an abort every failure is its consequence
 */
export async function withWorker<T>(
  engine: EngineOptions,
  tokenizer: TextModel,
  signal: AbortSignal,
  work: (worker: DecodeWorker) => Promise<T>,
): Promise<T> {
  const worker = await DecodeWorker.start({
    engine,
    vocabulary: tokenizer.vocabularySize,
    endTokens: [...tokenizer.endTokens],
  });
  const stop = () => void worker.close();
  signal.addEventListener('abort', stop);
  try {
    signal.throwIfAborted();
    return await work(worker);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.close();
  }
}
