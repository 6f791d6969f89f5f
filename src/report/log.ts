/** Structured logging with pino on stderr: JSON lines for machines, or the same events as plain sentences. */
import { type DestinationStream, type Logger, pino } from 'pino';
import { DareError, messageOf } from '../errors.js';
import type { Screen } from './screen.js';

/** pino's levels, the most talkative first. */
export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LEVELS)[number];

export interface LogOptions {
  /** JSON lines instead of sentences. */
  json: boolean;
  level: LogLevel;
  /** Adds the stack of errors logged under the key `err`. */
  stack?: boolean;
}

/** A logger onto the screen; it writes above the progress line. */
export function createLog(screen: Screen, options: LogOptions): Logger {
  // of stages people see the progress: begin and end are for machines, and for those who ask for everything
  const all = LEVELS.indexOf(options.level) <= LEVELS.indexOf('debug');
  const destination: DestinationStream = {
    write: (line) => {
      if (options.json) screen.line(line);
      else if (all || !('event' in JSON.parse(line))) screen.line(sentence(line));
    },
  };
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: options.json ? pino.stdTimeFunctions.isoTime : false,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: unknown) => describeError(error, options.stack === true) },
    },
    destination,
  );
}

/** `warning: message (key value, key value)`; lists, objects and empty values are for machines only. */
function sentence(line: string): string {
  const { level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const mark =
    { debug: 'debug: ', warn: 'warning: ', error: 'error: ', fatal: 'error: ' }[String(level)] ?? '';
  const details = Object.entries(fields)
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value) && value !== '')
    .map(([key, value]) => `${key} ${value}`);
  const tail = details.length === 0 ? '' : ` (${details.join(', ')})`;
  const { message, hint, stack } = (err ?? {}) as Partial<ErrorDescription>;
  const more = [
    message === undefined || String(msg).endsWith(message) ? undefined : message,
    hint === undefined ? undefined : `hint: ${hint}`,
    stack,
  ];
  return [`${mark}${msg ?? ''}${tail}`, ...more.filter((text) => text !== undefined)].join('\n');
}

interface ErrorDescription {
  message: string;
  hint?: string;
  stack?: string;
}

function describeError(error: unknown, withStack: boolean): ErrorDescription {
  const description: ErrorDescription = { message: messageOf(error) };
  if (error instanceof DareError && error.hint !== undefined) description.hint = error.hint;
  if (withStack && error instanceof Error && error.stack !== undefined) {
    const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : '';
    description.stack = `${error.stack}${cause}`;
  }
  return description;
}
