/** Options of `dare simulate` -> what is to be replayed. */
import type { SimulateOptions } from '../../pipeline/simulate.js';
import { decode } from '../config/schema.js';
import { type Grouping, groupings } from '../simulate/simulate.js';
import { type Source, sources } from '../simulate/sources.js';
import type { Options } from './arguments.js';
import { nats, numbers, reals, wholeNumber, words } from './values.js';

/** What relaxed matching may do where nobody says: the configuration's defaults of decode.divergenceBudget and minGain. */
const { divergenceBudget: usualDivergence, minGain: usualGain } = decode.parse({});

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
  const {
    limit,
    batch,
    'pool-sizes': poolSizes,
    'divergence-budget': divergence,
    'min-gain': gain,
  } = options;
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
    minGain: gain === undefined ? usualGain : (reals('min-gain', gain, 0, 256)[0] as number),
    ...(prompts === undefined ? {} : { prompts }),
    ...(limit === undefined ? {} : { limit: wholeNumber('limit', limit, 1, maximum) }),
    ...(poolSizes === undefined ? {} : { poolSizes: numbers('pool-sizes', poolSizes, 1, maximum) }),
    ...(costs === undefined ? {} : { costs }),
    ...(batch === undefined ? {} : { batch: wholeNumber('batch', batch, 1, 4096) }),
    ...(out === undefined ? {} : { out }),
  };
}
