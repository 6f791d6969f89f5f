/** Options of `dare simulate` -> what is to be replayed. */
import type { SimulateOptions } from '../../pipeline/simulate.js';
import { type Grouping, groupings } from '../simulate/simulate.js';
import { type Source, sources } from '../simulate/sources.js';
import type { Options } from './arguments.js';
import { nats, numbers, wholeNumber, words } from './values.js';

/** Nats that a text may give away where nobody says: the configuration's default of decode.divergenceBudget. */
const usualDivergence = 4;

const maximum = 1e9;

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
