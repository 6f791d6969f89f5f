/** What a run would take over, for a plan of it. */
import { dirname } from 'node:path';
import type { Config } from '../src/config/schema.js';
import { hasOwnBudgets } from '../src/decode/budget.js';
import { costsKey } from '../src/decode/run-key.js';
import { decodeSettings, defaultModelCache } from '../src/decode/settings.js';
import { type CostedModel, costsIn, storedCosts } from '../src/decode/stored-costs.js';
import { countKnown, type KnownCount } from '../src/decode/take-over.js';
import { settingsKey, textKey } from '../src/decode/text-key.js';
import { Lake } from '../src/lake/lake.js';
import { readManifest } from '../src/lake/manifest.js';
import { PromptFile, type PromptRow } from '../src/lake/pages.js';
import { modelFingerprint } from '../src/model/source.js';
import type { StageTools } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';
import type { Place } from './origins.js';
import { reusable } from './partition-job.js';

/**
 * How many of a file's prompts have the text that they would get in a table that decoding takes texts over from. With
 * `model.weights: auto` the device decides the type of the weights, and texts that there are tell it: they count as of the
 * device to come. So does their cost table (`decode.reuse: strict`), where the partition has none yet. Reads the model, for its fingerprint, where there are such tables.
 * @param model its path, which the configuration's may differ from
 * @throws inputError where prompts, model or tables can't be read
 */
export async function reusedPrompts(
  config: Config,
  model: string,
  prompts: string,
  tokenizer: TextModel,
  { signal }: Pick<StageTools, 'signal'>,
): Promise<KnownCount[]> {
  const place = { config, lake: new Lake(config.lake), partition: config.partition };
  const { tables, strict } = reusable(place);
  const { mode, sampling } = config.decode;
  const pools = strict ? await poolVersion(place) : undefined;
  // as decoding has it: relaxed texts of pools that are still to be made are no others' texts
  if (tables.length === 0 || (mode === 'relaxed' && pools === null)) return [];
  const fingerprint = modelFingerprint(model, config.model.cache ?? defaultModelCache());
  const weights = config.model.weights === 'auto' ? await weightsOf(tables) : config.model.weights;
  const rules = decodeSettings(config.decode);
  const costed = { modelFingerprint: fingerprint, weights };
  const settings = settingsKey({
    model: fingerprint,
    weights,
    tokenizer: tokenizer.fingerprint,
    rules,
    seed: sampling.seed,
    ...(pools === undefined ? {} : { pools }),
    ...(strict && hasOwnBudgets(rules) ? { costs: await costsOf(costed, place, tables) } : {}),
  });
  const file = await PromptFile.open(prompts);
  try {
    const keyOf = (prompt: PromptRow) => textKey(prompt, mode, settings);
    return await countKnown({ prompts: decodable(file), keyOf, earlier: tables, signal });
  } finally {
    file.close();
  }
}

async function* decodable(file: PromptFile): AsyncGenerator<PromptRow[]> {
  for await (const page of file.pages()) yield page.filter(({ problem }) => problem === undefined);
}

/** Null where there are no pools. */
async function poolVersion({ lake, partition }: Place): Promise<string | null> {
  const version = (await readManifest(lake.dir('pools', partition)))?.version;
  return typeof version === 'string' ? version : null;
}

/** The type of the weights that the latest of some texts were decoded with; what a CPU takes where none says. */
async function weightsOf(tables: readonly string[]): Promise<string> {
  for (const table of tables) {
    const weights = (await readManifest(dirname(table)))?.weights;
    if (typeof weights === 'string') return weights;
  }
  return 'float32';
}

/** `costsKey` of the partition's cost table, else of the one that the latest of some texts were decoded with. */
async function costsOf(
  model: CostedModel,
  { lake, partition }: Place,
  tables: readonly string[],
): Promise<string | undefined> {
  const texts = lake.dir('texts', partition);
  let costs = await storedCosts(model, lake.unfinished('texts', partition), texts);
  for (const table of tables) costs ??= costsIn((await readManifest(dirname(table))) ?? {});
  return costs === undefined ? undefined : costsKey(costs);
}
