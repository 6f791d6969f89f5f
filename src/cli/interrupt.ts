/** SIGINT and SIGTERM: the first stops the stage between two steps, the second ends the process at once. */

/** 128 + the signal's number, as shells have it. */
export const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
export type Interrupting = keyof typeof SIGNAL_CODES;

/** What a process tells one that it has started to do: stop, as a first signal does. */
export const stopMessage = 'stop';

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
  /** Whether the channel to the process that started this one is open; undefined where there never was one. */
  readonly connected?: boolean | undefined;
  on(event: Interrupting | 'disconnect', listener: () => void): unknown;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  removeAllListeners(signal: Interrupting): unknown;
  kill(pid: number, signal: Interrupting): unknown;
}

/**
 * A process that another has started with a channel (a shard) is also stopped by its message, and when the other is gone:
 * it doesn't stay behind. The message doesn't count as a signal, since a terminal, or whatever ends a group of processes,
 * sends the signal to both: that is one stop. Who is gone after it asked to stop was itself ended at once, and so is this.
 * @param onFirst called once, to tell the user that the stage is stopping
 */
export function watchSignals(source: SignalSource, onFirst: (reason: Interrupted) => void): AbortSignal {
  const controller = new AbortController();
  let signalled = false;
  const stop = (name: Interrupting) => {
    if (controller.signal.aborted) return;
    const reason = new Interrupted(name);
    onFirst(reason);
    controller.abort(reason);
  };
  const end = (name: Interrupting) => {
    // As if nobody had listened. Not process.exit: it waits for threads, and ONNX Runtime aborts in a thread that ends.
    source.removeAllListeners(name);
    source.kill(source.pid, name);
  };
  const handle = (name: Interrupting) => {
    if (signalled) return end(name);
    signalled = true;
    stop(name);
  };
  source.on('SIGINT', () => handle('SIGINT'));
  source.on('SIGTERM', () => handle('SIGTERM'));
  if (source.connected === undefined) return controller.signal;
  source.on('message', (message) => {
    if (message === stopMessage) stop('SIGTERM');
  });
  const gone = () => (controller.signal.aborted ? end('SIGTERM') : stop('SIGTERM'));
  if (source.connected) source.on('disconnect', gone);
  else gone();
  return controller.signal;
}
