import type { Duck } from './duck.js';

/** Milliseconds between two interrupts. */
const interruptInterval = 50;

/**
 * Interrupts the running query, and every one after it, once the signal is aborted. Returns what ends that.
 * DuckDB forgets an interrupt that finds no running query, between two statements for one: so it is repeated.
 */
export function interruptOnAbort(duck: Duck, signal: AbortSignal): () => void {
  let interrupting: NodeJS.Timeout | undefined;
  const interrupt = () => {
    interrupting ??= setInterval(interrupt, interruptInterval);
    duck.connection.interrupt();
  };
  signal.addEventListener('abort', interrupt);
  return () => {
    signal.removeEventListener('abort', interrupt);
    clearInterval(interrupting);
  };
}
