/** Options of `dare plan` -> what is to be forecast. */
import type { PlanOptions } from '../../pipeline/plan.js';
import { checkPartition, loadConfig, loadStandalone } from '../config/load.js';
import { inputError } from '../errors.js';
import type { Options } from './arguments.js';
import { wholeNumber } from './values.js';

/** Prompts of each kind, and texts, that are looked at where nobody says how many. */
const usualLimit = 400;

/** @throws inputError for options that don't go together, values that aren't what an option takes, and wrong keys */
export function planOptions(options: Options): PlanOptions {
  const { prompts, texts, 'pool-texts': poolTexts, costs, batch, nodes, limit } = options;
  if ((texts === undefined) !== (poolTexts === undefined)) {
    const missing = texts === undefined ? '--texts' : '--pool-texts';
    throw inputError(`${missing} is missing: --texts and --pool-texts go together`, help);
  }
  return {
    ...catalogue(options),
    limit: limit === undefined ? usualLimit : wholeNumber('limit', limit, 1, 1e9),
    ...(prompts === undefined ? {} : { prompts }),
    ...(texts === undefined || poolTexts === undefined ? {} : { recorded: { texts, poolTexts } }),
    ...(costs === undefined ? {} : { costs }),
    ...(batch === undefined ? {} : { batch: wholeNumber('batch', batch, 1, 4096) }),
    ...(nodes === undefined ? {} : { nodes: wholeNumber('nodes', nodes, 0, 256) }),
  };
}

function catalogue(options: Options): Pick<PlanOptions, 'config' | 'model' | 'settings'> {
  const { config: file, lake, partition, set, model, prompts } = options;
  if (file === undefined) {
    if (model === undefined || prompts === undefined)
      throw inputError('no catalogue given: expected either --config FILE or --model and --prompts', help);
    const contrary = lake === undefined ? (partition === undefined ? undefined : '--partition') : '--lake';
    if (contrary !== undefined) throw inputError(`${contrary} needs --config FILE`, help);
    return { model, settings: loadStandalone(set) };
  }
  if (partition !== undefined) checkPartition(partition);
  const flags = {
    ...(lake === undefined ? {} : { lake }),
    ...(partition === undefined ? {} : { partition }),
  };
  const config = loadConfig(file, set, flags);
  return { config, model: model ?? config.model.path, settings: config };
}

const help = 'dare plan --help shows the options.';
