/** What `dare decode` is to trace. */
import type { TraceOptions } from '../decode/trace-file.js';
import { inputError } from '../errors.js';
import type { Options } from './arguments.js';
import { wholeNumber } from './values.js';

/** Prompts that are traced where nobody says which. */
const usualPrompts = 10;
const mostPrompts = 1000;

/** Nothing without --trace. @throws inputError */
export function traceOptions(options: Options): { trace?: TraceOptions } {
  const { trace: file, 'trace-prompts': named, 'trace-limit': limit } = options;
  if (file === undefined) {
    const needless = named !== undefined ? 'trace-prompts' : limit !== undefined ? 'trace-limit' : undefined;
    if (needless === undefined) return {};
    throw inputError(`--${needless} needs --trace FILE`, hint);
  }
  if (named !== undefined && limit !== undefined)
    throw inputError('--trace-prompts and --trace-limit exclude each other', hint);
  if (named !== undefined && named.length > mostPrompts)
    throw inputError(`--trace-prompts names ${named.length} prompts, expected up to ${mostPrompts}`, hint);
  const first = limit === undefined ? usualPrompts : wholeNumber('trace-limit', limit, 1, mostPrompts);
  return { trace: { file, prompts: named === undefined ? first : [...new Set(named)] } };
}

const hint = 'dare decode --help shows the options.';
