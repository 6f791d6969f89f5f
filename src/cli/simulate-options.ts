/** Options of `dare simulate` -> what is to be replayed. */
import type { SimulateOptions } from '../../pipeline/simulate.js';
import { inputError } from '../errors.js';
import { type Grouping, groupings } from '../simulate/simulate.js';
import { type Source, sources } from '../simulate/sources.js';
import type { Options } from './arguments.js';

/** Nats that a text may give away where nobody says: the configuration's default of decode.divergenceBudget. */
const usualDivergence = 4;

/** @throws inputError for a value that isn't what the option takes */
export function simulateOptions(options: Options): SimulateOptions {
  const {
    texts = '',
    'pool-texts': poolTexts = '',
    tokenizer = '',
    prompts,
    costs,
    out,
    peers = false,
  } = options;
  const { limit, batch, 'pool-sizes': poolSizes, 'divergence-budget': divergence } = options;
  return {
    texts,
    poolTexts,
    tokenizer,
    peers,
    sources: words<Source>('sources', options.sources, sources, sources),
    nodes: numbers('nodes', options.nodes ?? '8,16,32,64', 0, 256),
    lengths: numbers('ngrams', options.ngrams ?? '6', 2, 16),
    by: words<Grouping>('by', options.by, groupings, ['entity']),
    divergenceBudget: divergence === undefined ? usualDivergence : nats('divergence-budget', divergence),
    ...(prompts === undefined ? {} : { prompts }),
    ...(limit === undefined ? {} : { limit: wholeNumber('limit', limit, 1, maximum) }),
    ...(poolSizes === undefined ? {} : { poolSizes: numbers('pool-sizes', poolSizes, 1, maximum) }),
    ...(costs === undefined ? {} : { costs }),
    ...(batch === undefined ? {} : { batch: wholeNumber('batch', batch, 1, 4096) }),
    ...(out === undefined ? {} : { out }),
  };
}

const maximum = 1e9;

/** A whole number. @throws inputError */
export function wholeNumber(option: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= from && value <= to) return value;
  throw inputError(
    `--${option} is ${JSON.stringify(text)}, expected a whole number from ${from} to ${to}`,
    help,
  );
}

/** Whole numbers between commas, each once. */
function numbers(option: string, text: string, from: number, to: number): number[] {
  return [...new Set(text.split(',').map((part) => wholeNumber(option, part.trim(), from, to)))];
}

function nats(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw inputError(`--${option} is ${JSON.stringify(text)}, expected nats above 0`, help);
}

/** Words between commas, each once. */
function words<Word extends string>(
  option: string,
  text: string | undefined,
  known: readonly Word[],
  usual: readonly Word[],
): Word[] {
  if (text === undefined) return [...usual];
  const given = text.split(',').map((part) => {
    const word = known.find((name) => name === part.trim());
    if (word !== undefined) return word;
    throw inputError(
      `--${option} holds ${JSON.stringify(part.trim())}, expected some of ${known.join(', ')}`,
      help,
    );
  });
  return [...new Set(given)];
}

const help = 'dare simulate --help shows the options.';
