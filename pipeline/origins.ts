/** What each table is made from: files, other tables, keys of the configuration, versions. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../src/config/schema.js';
import { decodeSettings } from '../src/decode/settings.js';
import { decisiveSettings } from '../src/decode/text-key.js';
import { inputError } from '../src/errors.js';
import { Duck, duckVersion } from '../src/lake/duck.js';
import { type FileRecord, FileWatch, recordFile, rememberFiles } from '../src/lake/fingerprint.js';
import { inputPaths } from '../src/lake/input-files.js';
import { type Lake, listFolder, type TableName } from '../src/lake/lake.js';
import { readManifest } from '../src/lake/manifest.js';
import { fingerprintOf, flattened, type Origin, originOf } from '../src/lake/origin.js';
import { modelFiles } from '../src/model/files.js';
import { packageVersion } from '../src/paths.js';
import { sqlVersion } from '../src/sql-version.js';
import type { StageContext } from '../src/stage.js';
import { planPrompts } from '../src/text/prompt-plan.js';

/** A partition of a lake, and the configuration that makes its tables. */
export type Place = Pick<StageContext, 'config' | 'lake' | 'partition'>;

/** The origin of a table that is about to be made. */
export interface Sources {
  origin: Origin;
  /** Throws a runError when a file was changed or replaced since: the table would be a mixture then. */
  checkUnchanged: () => void;
}

/**
 * What the table of the partition is made from if it is made now.
 * @throws inputError for files that are missing
 */
export async function sourcesOf(table: TableName, place: Place): Promise<Sources> {
  const manifest = await readManifest(place.lake.dir(table, place.partition));
  const earlier = manifest === undefined ? undefined : originOf(manifest);
  rememberFiles(Object.values(earlier?.files ?? {}).flat());
  const { files, tables, configuration, versions } = await ingredients[table](place);
  const watch = new FileWatch(Object.values(files).flat());
  const origin: Origin = { files: {}, tables: {}, configuration, versions };
  for (const [key, paths] of Object.entries(files)) origin.files[key] = await recordAll(paths);
  for (const [name, from] of Object.entries(tables))
    origin.tables[name] = await fingerprint(place.lake, from.table, from.partition);
  return { origin, checkUnchanged: () => watch.check() };
}

/**
 * Paths of all that a stage reads when it makes the table: files, those of other tables, for texts the pools too.
 * @throws inputError for files that are missing
 */
export async function filesRead(table: TableName, place: Place): Promise<string[]> {
  const { lake, partition } = place;
  const { files, tables } = await ingredients[table](place);
  const read = Object.values(tables);
  if (table === 'texts') read.push({ table: 'pools', partition });
  const paths = read.flatMap((from) => tableFiles(lake, from.table, from.partition));
  return [...new Set([...Object.values(files).flat(), ...paths])];
}

function tableFiles(lake: Lake, table: TableName, partition: string): string[] {
  const folder = lake.dir(table, partition);
  const files =
    table === 'pools'
      ? listFolder(folder).flatMap((name) => (name.endsWith('.arrow') ? [join(folder, name)] : []))
      : [lake.file(table, partition)];
  return files.filter((file) => existsSync(file));
}

/** The name of the texts that the configuration names for pools. */
const poolFiles = 'pools.texts';

/** What a table is made from, by name: paths of files, tables of the lake, keys and versions. */
interface Ingredients {
  files: Record<string, string[]>;
  tables: Record<string, { table: TableName; partition: string }>;
  configuration: Record<string, unknown>;
  versions: Record<string, string>;
}

const ingredients: Readonly<Record<TableName, (place: Place) => Promise<Ingredients>>> = {
  cohorts: async (place) => ({
    files: await inputFiles(place.config),
    tables: cohortsBefore(place),
    configuration: segmentKeys(place.config),
    versions: versionsOf('inputs', 'segment'),
  }),
  prompts: async ({ config, partition }) => ({
    files: {
      ...(await inputFiles(config)),
      'prompts.templates': [...planPrompts(config).files],
      'the tokenizer': modelFiles(config.model.path).text,
    },
    tables: { cohorts: { table: 'cohorts', partition } },
    configuration: {
      ...flattened({ prompts: { frameworks: config.prompts.frameworks, history: config.prompts.history } }),
      ...inputKeys(config),
    },
    versions: versionsOf('inputs', 'prompts'),
  }),
  pools: async (place) => ({
    ...(await poolTexts(place)),
    configuration: poolKeys(place.config),
    versions: versionsOf('lake', 'pools'),
  }),
  texts: async ({ config, partition }) => {
    const { decode, model } = config;
    const { weights, text } = modelFiles(model.path);
    return {
      files: { 'the model': weights, 'the tokenizer': text },
      tables: {
        prompts: { table: 'prompts', partition },
        // other pools may make other texts, within the bounds; by default they count as equal
        ...(decode.reuse === 'strict' && decode.mode === 'relaxed'
          ? { pools: { table: 'pools', partition } }
          : {}),
      },
      configuration: {
        ...flattened({ decode: decisiveSettings(decodeSettings(decode), decode.sampling.seed) }),
        'model.weights': model.weights,
        // with auto the device decides the type of the weights
        ...(model.weights === 'auto' ? { 'model.device': model.device } : {}),
      },
      versions: { dare: packageVersion() },
    };
  },
  features: async ({ config, partition }) => ({
    files: await inputFiles(config),
    tables: { cohorts: { table: 'cohorts', partition }, texts: { table: 'texts', partition } },
    configuration: {
      'prompts.frameworks': config.prompts.frameworks,
      'publish.vectors': config.publish.vectors,
      ...inputKeys(config),
    },
    versions: versionsOf('inputs', 'features'),
  }),
  evaluation: async (place) => {
    const { config, partition } = place;
    const { decode, model } = config;
    const { files, tables } = await poolTexts(place);
    return {
      files: { ...files, ...(await inputFiles(config)), 'the model': modelFiles(model.path).weights },
      tables: {
        ...tables,
        prompts: { table: 'prompts', partition },
        cohorts: { table: 'cohorts', partition },
        texts: { table: 'texts', partition },
      },
      configuration: {
        ...flattened({ decode: decisiveSettings(decodeSettings(decode), decode.sampling.seed) }),
        ...flattened({ prompts: { history: config.prompts.history }, evaluate: config.evaluate }),
        ...poolKeys(config),
        ...inputKeys(config),
        'model.weights': model.weights,
      },
      versions: versionsOf('inputs', 'lake', 'pools', 'evaluate'),
    };
  },
};

/** The texts that pools are made of, their prompts, and the tokenizer that they are made with. */
async function poolTexts({ config, lake, partition }: Place): Promise<Pick<Ingredients, 'files' | 'tables'>> {
  const { texts } = config.pools;
  const earlier = (table: 'texts' | 'prompts') =>
    texts === undefined ? lake.earlierPartitions(table, partition) : [];
  const named = (table: 'texts' | 'prompts') =>
    earlier(table).map((name) => [`${table} of ${name}`, { table, partition: name }] as const);
  return {
    files: {
      ...(texts === undefined ? {} : await globbed({ [poolFiles]: [texts] })),
      'the tokenizer': modelFiles(config.model.path).text,
    },
    tables: Object.fromEntries([...named('texts'), ...named('prompts')]),
  };
}

/** The origin of pools, without the texts that they would be made of now. */
export function withoutTexts({ files: { [poolFiles]: _, ...files }, ...origin }: Origin): Origin {
  return { ...origin, files, tables: {} };
}

function poolKeys({ pools: { texts: _texts, ...pools } }: Config): Record<string, unknown> {
  return flattened({ pools });
}

function segmentKeys(config: Config): Record<string, unknown> {
  // the table of that partition counts, not its name
  const { previous: _previous, ...cohorts } = config.cohorts;
  return {
    ...flattened({ cohorts }),
    ...inputKeys(config),
    'prompts.history.dislikedTo': config.prompts.history.dislikedTo,
  };
}

/**
 * The partition whose cohorts this one's go on from: the one that the configuration names, or the latest earlier one.
 * @throws inputError when the one that is named has no cohorts
 */
export function previousCohorts({ config, lake, partition }: Place): string | undefined {
  const { previous } = config.cohorts;
  if (previous === undefined) return lake.earlierPartitions('cohorts', partition).at(-1);
  if (previous === partition) return undefined;
  if (existsSync(lake.file('cohorts', previous))) return previous;
  throw inputError(
    `cohorts.previous: the partition ${previous} has no cohorts: ${lake.file('cohorts', previous)} is missing`,
    'Name a partition that has some, or leave the key out.',
  );
}

function cohortsBefore(place: Place): Ingredients['tables'] {
  const { method, refit } = place.config.cohorts.users;
  const from = method === 'collaborative' && refit !== 'anew' ? previousCohorts(place) : undefined;
  return from === undefined ? {} : { [`cohorts of ${from}`]: { table: 'cohorts', partition: from } };
}

/** Where the inputs are, apart from their paths: the content of the files counts. */
function inputKeys({ inputs }: Config): Record<string, unknown> {
  const { items, users, ratings } = inputs;
  const { path: _ratings, ...ratingColumns } = ratings;
  const keys = { items: { id: items.id, columns: items.columns }, ratings: ratingColumns };
  return flattened({
    inputs: { ...keys, ...(users && { users: { id: users.id, columns: users.columns } }) },
  });
}

async function inputFiles({ inputs }: Config): Promise<Record<string, string[]>> {
  const { items, users, ratings } = inputs;
  return globbed({
    'inputs.items': items.path,
    ...(users && { 'inputs.users': users.path }),
    'inputs.ratings': ratings.path,
  });
}

async function globbed(paths: Record<string, readonly string[]>): Promise<Record<string, string[]>> {
  const duck = await Duck.open({ threads: 1 });
  try {
    const found: Record<string, string[]> = {};
    for (const [key, list] of Object.entries(paths)) found[key] = await inputPaths(duck, key, list);
    return found;
  } finally {
    duck.close();
  }
}

/** Of what a table is made with: this package, the queries in `sql/<folder>`, DuckDB. */
function versionsOf(...folders: string[]): Record<string, string> {
  const queries = folders.map((folder) => [`sql/${folder}`, sqlVersion(folder)]);
  return { dare: packageVersion(), DuckDB: duckVersion(), ...Object.fromEntries(queries) };
}

async function recordAll(paths: readonly string[]): Promise<FileRecord[]> {
  const records: FileRecord[] = [];
  for (const path of [...paths].sort()) records.push(await recordFile(path));
  return records;
}

async function fingerprint(lake: Lake, table: TableName, partition: string): Promise<string | null> {
  return fingerprintOf(await readManifest(lake.dir(table, partition)));
}
