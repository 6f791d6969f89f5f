/**
 * Every error that a user can cause or meet.
 *
 * A message says what is wrong, where (file, row, column, key) and what was expected; the hint says what to do.
 * The exit code travels with the error, so that no layer has to guess it:
 * 2 for wrong usage, configuration or input (a retry can't help), 1 for everything that failed while running.
 */
export class DareError extends Error {
  override readonly name = 'DareError';
  /** What the JSON line says beyond the message. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    message: string,
    readonly exitCode: 1 | 2,
    readonly hint?: string,
    options: ErrorOptions & { details?: Record<string, unknown> } = {},
  ) {
    super(message, options);
    this.details = options.details ?? {};
  }
}

/** Wrong usage, configuration or input: exit code 2. */
export function inputError(message: string, hint?: string, cause?: unknown): DareError {
  return new DareError(message, 2, hint, cause === undefined ? {} : { cause });
}

/** Something failed while running (disk full, no permission, device lost): exit code 1. */
export function runError(message: string, hint?: string, cause?: unknown): DareError {
  return new DareError(message, 1, hint, cause === undefined ? {} : { cause });
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error that crosses threads: its class would be lost. */
export interface ThreadError {
  message: string;
  exitCode: 1 | 2;
  hint: string | undefined;
}

/** What another thread is told of an error. */
export function threadError(error: unknown): ThreadError {
  if (error instanceof DareError)
    return { message: error.message, exitCode: error.exitCode, hint: error.hint };
  return { message: messageOf(error), exitCode: 1, hint: undefined };
}

/** The error that another thread told of. */
export function revive({ message, exitCode, hint }: ThreadError): DareError {
  return new DareError(message, exitCode, hint);
}
