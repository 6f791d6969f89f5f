/** SIGINT and SIGTERM: the first stops the stage between two steps, the second ends the process at once. */

/** 128 + the signal's number, as shells have it. */
export const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
export type Interrupting = keyof typeof SIGNAL_CODES;

/** The reason of the aborted signal. */
export class Interrupted extends Error {
  override readonly name = 'AbortError';
  readonly exitCode: number;

  constructor(readonly signalName: Interrupting) {
    super(`stopped by ${signalName}`);
    this.exitCode = SIGNAL_CODES[signalName];
  }
}

/** The parts of `process` that are needed here. */
export interface SignalSource {
  readonly pid: number;
  on(signal: Interrupting, listener: () => void): unknown;
  removeAllListeners(signal: Interrupting): unknown;
  kill(pid: number, signal: Interrupting): unknown;
}

/** @param onFirst called once, to tell the user that the stage is stopping */
export function watchSignals(source: SignalSource, onFirst: (reason: Interrupted) => void): AbortSignal {
  const controller = new AbortController();
  const handle = (name: Interrupting) => {
    if (controller.signal.aborted) {
      // As if nobody had listened. Not process.exit: it waits for threads, and ONNX Runtime aborts in a thread that ends.
      source.removeAllListeners(name);
      source.kill(source.pid, name);
      return;
    }
    const reason = new Interrupted(name);
    onFirst(reason);
    controller.abort(reason);
  };
  source.on('SIGINT', () => handle('SIGINT'));
  source.on('SIGTERM', () => handle('SIGTERM'));
  return controller.signal;
}
