/**
 * The configuration file: keys, values allowed and defaults. data-samples/dare.yaml shows all of it with comments.
 *
 * The message of every leaf says what is expected there; describe.ts puts the key, the value and a suggestion around it.
 * What one key alone can't tell (combinations) is in combinations.ts.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../paths.js';

/** Frameworks whose templates come with the package, in the order of the documentation. */
export const FRAMEWORKS = ['kar', 'trawl', 'once', 'rlmrec'] as const;
export const MODES = ['autoregressive', 'greedy', 'relaxed', 'sample'] as const;
export type Mode = (typeof MODES)[number];
export const REFITS = ['keep', 'move', 'anew'] as const;
/** Which texts of earlier tables are taken over: equal ones, relaxed ones only from the same pools, none. */
export const REUSES = ['texts', 'strict', 'off'] as const;
export const DEVICES = ['auto', 'cpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];
export const KEEPS = ['recent', 'frequent', 'random'] as const;
export const VECTORS = ['float32', 'float16', 'none'] as const;
const ENDPOINT = 'the URL of a store, such as https://minio.example.com';
const PATTERN = 'a regular expression that is not empty';

/** Partitions become folder names (`partition=<P>`), so nothing in them may mean anything to a file system. */
export const PARTITION = /^(?!\.)[A-Za-z0-9._-]{1,100}$/;
export const PARTITION_RULE =
  'a name of 1 to 100 letters, digits, dots, dashes and underscores that does not start with a dot';

export const MEMORY = /^\d{1,6}(\.\d+)? ?[KMGT]i?B$/i;
export const MEMORY_RULE = 'an amount of memory such as "6GB"';

/** Names that become column names of ours. */
export const NAME = /^[a-z][a-z0-9_]{0,62}$/;
export const NAME_RULE = 'a name of lower-case letters, digits and underscores that starts with a letter';

const text = (what: string) => z.string(what).min(1, what);
const whole = (min: number, max: number) => {
  const expected = `a whole number from ${min} to ${max}`;
  return z.number(expected).int(expected).min(min, expected).max(max, expected);
};
const real = (min: number, max = Number.POSITIVE_INFINITY) => {
  const expected = Number.isFinite(max) ? `a number from ${min} to ${max}` : `a number of at least ${min}`;
  return z.number(expected).min(min, expected).max(max, expected);
};
const above = (what: string, min: number, max: number) => {
  const expected = `a ${what} above ${min} and up to ${max}`;
  return z.number(expected).gt(min, expected).max(max, expected);
};
const anyNumber = () => z.number('a number');
const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, `one of ${values.join(', ')}`);
const autoOr = (min: number, max: number) => {
  const expected = `auto or a whole number from ${min} to ${max}`;
  return z.union(
    [z.literal('auto', expected), z.number(expected).int(expected).min(min, expected).max(max, expected)],
    expected,
  );
};
const listOf = <T extends z.ZodType>(element: T, what: string) => z.array(element, what);
const group = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape, 'a group of keys');

const PATHS = 'a path, a glob or a list of them';
/** One path or several: always a list afterwards. */
const paths = () =>
  z.union([text(PATHS).transform((path) => [path]), listOf(text(PATHS), PATHS).min(1, PATHS)], PATHS);

/** Our name of a column -> its name in the file. */
const columnMap = () =>
  z.record(
    z.string().regex(NAME, NAME_RULE),
    text('the name of a column in the file, as text'),
    'pairs of our name and the column in the file',
  );
const columnName = () => text('the name of a column in the file, as text');
const ourColumns = () => listOf(text('the name of a column, as text'), 'a list of column names');

export const entityInput = group({ path: paths(), id: columnName(), columns: columnMap().prefault({}) });
export const ratingsInput = group({
  path: paths(),
  user: columnName(),
  item: columnName(),
  value: columnName(),
  time: columnName(),
});
export const inputs = group({
  items: entityInput,
  users: entityInput.exactOptional(),
  ratings: ratingsInput,
});
export const userCohorts = group({
  method: choice(['collaborative', 'attributes', 'column']).default('collaborative'),
  groups: autoOr(1, 10_000).default('auto'),
  /** Users with fewer ratings are cold-start users: placed by the attributes of what they rated. */
  minRatings: whole(1, 1_000_000).default(5),
  columns: ourColumns().prefault([]),
  /** What goes on from an earlier partition: cohorts with their users, their names alone, or nothing. */
  refit: choice(REFITS).default('keep'),
});
export const itemCohorts = group({
  method: choice(['attributes', 'column']).default('attributes'),
  groups: autoOr(1, 10_000).default('auto'),
  columns: ourColumns(),
});
export const history = group({
  liked: whole(1, 1000).default(6),
  likedFrom: anyNumber().default(4),
  disliked: whole(0, 1000).default(2),
  dislikedTo: anyNumber().default(2),
});
export const prompts = group({
  frameworks: listOf(text(`a framework: ${FRAMEWORKS.join(', ')}`), 'a list of frameworks')
    .min(1, 'a list of at least one framework')
    .prefault(['kar']),
  templates: text('the path of a folder with templates').default(join(packageRoot, 'sql/prompts/templates')),
  history: history.prefault({}),
});
export const rounds = group({
  /** Share of each cohort's prompts that is decoded in round 0, when there are no earlier texts. */
  first: above('share', 0, 1).default(0.05),
  /** Each round reaches this many times as far as the one before. */
  growth: z
    .number('a factor above 1')
    .gt(1, 'a factor above 1 (rounds must grow)')
    .max(1000, 'a factor above 1, up to 1000')
    .default(4),
});
/** Mode sample. */
export const sampling = group({
  /** Logits are divided by it. 0 would be mode greedy: combinations.ts says so. */
  temperature: real(0, 100).default(1),
  /** Tokens are drawn from the likeliest so many; 0: from all. Not `decode.topK`, the rank that mode relaxed accepts. */
  topK: whole(0, 1_000_000).default(0),
  /** And from the likeliest that together have this probability. */
  topP: above('share', 0, 1).default(1),
  /** And from those with at least this share of the likeliest token's probability. */
  minP: real(0, 1).default(0),
  seed: whole(0, Number.MAX_SAFE_INTEGER).default(0),
});
const STOP = 'a list of up to 16 texts that are not empty';
export const decode = group({
  mode: choice(MODES).default('relaxed'),
  maxNewTokens: whole(1, 32_768).default(256),
  /** Relaxed: a draft token may be at most the topK-th likeliest. */
  topK: whole(1, 64).default(3),
  /** Relaxed: and must have at least this probability. */
  minProb: real(0, 1).default(0.05),
  /** Relaxed: nats a text may lose in all, the sum of ln p_max - ln p(token). */
  divergenceBudget: real(0).default(4),
  /** Relaxed: tokens that each relaxed token must bring, falling evenly to 0 over a text of usual length. */
  minGain: real(0, 256).default(5),
  /** A text ends before the first of these. */
  stop: listOf(text('a text that is not empty'), STOP).max(16, STOP).prefault([]),
  /** What prompt and text hold already gets less likely by it; 1 changes nothing. */
  repetitionPenalty: above('factor', 0, 100).default(1),
  sampling: sampling.prefault({}),
  /** Draft nodes a step and sequence. */
  nodes: autoOr(0, 256).default('auto'),
  /** Relaxed: whether texts are independent of what is decoded beside them. */
  reproducible: z.boolean('true or false').default(true),
  concurrency: autoOr(1, 1024).default('auto'),
  /** Above this share of prompts that could not be decoded the stage fails. */
  maxFailedShare: real(0, 1).default(0.01),
  rounds: rounds.prefault({}),
  /** Whether checksums of pools are compared before they are drafted from; by mode if left out. */
  verifyPools: z.boolean('true or false').exactOptional(),
});
export const lakeDecode = decode.extend({
  /** In a lake there are earlier tables, whose texts may be the same. */
  reuse: choice(REUSES).default('texts'),
  /** Processes that decode a partition side by side; one for each of `model.adapters` if left out, else one. */
  shards: whole(1, 1000).exactOptional(),
});

/** How the model's weights are stored and multiplied by. */
export const WEIGHTS = ['auto', 'float32', 'float16', 'int8', 'int4'] as const;
export type Weights = (typeof WEIGHTS)[number];

export const modelDevice = choice(DEVICES).default('auto');
export const modelWeights = choice(WEIGHTS).default('auto');

/** Shares of texts above which features aren't published. */
export const quality = group({
  empty: real(0, 1).default(0.01),
  /** The limit of tokens is the user's own choice: off. */
  cut: real(0, 1).default(1),
  repetitive: real(0, 1).default(0.05),
  unparsable: real(0, 1).default(0.2),
  failed: real(0, 1).default(0.05),
});

const modelSettings = {
  weights: modelWeights,
  /** Folder for built graphs; the model stage's own choice when left out. */
  cache: text('the path of a folder').exactOptional(),
  /** Threads of the model; by device when left out. */
  threads: whole(1, 1024).exactOptional(),
  device: modelDevice,
  /** A part of the GPU's name or its PCI bus id, where there are several. */
  adapter: text('a part of the name of a GPU, or its PCI bus id').exactOptional(),
};

export const configSchema = group({
  lake: text('the path of a folder, or s3://bucket/prefix'),
  partition: z.string(PARTITION_RULE).regex(PARTITION, PARTITION_RULE),
  /** What a query holds in memory before it spills to the disk; DuckDB's own choice if left out. */
  memoryLimit: z.string(MEMORY_RULE).regex(MEMORY, MEMORY_RULE).exactOptional(),
  /** Of paths that begin with s3://. Credentials are never here: they come from where the AWS tools have them. */
  storage: group({
    endpoint: z.url({ protocol: /^https?$/, error: ENDPOINT }).exactOptional(),
    region: text('the name of a region, such as eu-central-1').exactOptional(),
    /** The bucket in the path instead of the host's name; by endpoint if left out. */
    pathStyle: z.boolean('true or false').exactOptional(),
    /** The folder of the files that stages work on where the lake is in an object store. */
    workingCopy: text('the path of a folder').exactOptional(),
  }).prefault({}),
  inputs,
  model: group({
    path: text("the path of the model's folder, GGUF or ONNX file"),
    ...modelSettings,
    /** GPUs that decode a partition together, each as `adapter` has it. */
    adapters: listOf(modelSettings.adapter.unwrap(), 'a list of GPUs').exactOptional(),
  }),
  cohorts: group({
    users: userCohorts.prefault({}),
    items: itemCohorts,
    /** The partition to go on from; the latest earlier one if left out. */
    previous: z.string(PARTITION_RULE).regex(PARTITION, PARTITION_RULE).exactOptional(),
  }),
  prompts: prompts.prefault({}),
  pools: group({
    /** Longest n-gram in tokens, the predicted token included. */
    maxLength: whole(2, 16).default(6),
    /** A Parquet file or glob of texts instead of the lake's earlier partitions. */
    texts: text('the path of a Parquet file').exactOptional(),
    /** Most tokens of each pool, the shared one too; no limit when left out. */
    maxTokens: whole(1, 500_000_000).exactOptional(),
    /** Which texts stay where maxTokens leaves no room for all. */
    keep: choice(KEEPS).default('recent'),
    /** Regular expressions (RE2): a text that one of them matches is in no pool. */
    exclude: listOf(text(PATTERN), 'a list of regular expressions').prefault([]),
  }).prefault({}),
  decode: lakeDecode.prefault({}),
  publish: group({
    quality: quality.prefault({}),
    /** Generations of a partition's features that are kept when they are replaced, for `dare rollback`. */
    keep: whole(0, 1).default(1),
    /** How the vectors of the features are stored. */
    vectors: choice(VECTORS).default('float32'),
  }).prefault({}),
  evaluate: group({
    /** Users, and items, whose prompts are decoded. */
    limit: whole(2, 1_000_000).default(100),
    /** Nats a text: beside the configured one. */
    divergenceBudgets: listOf(real(0), 'a list of numbers of at least 0').prefault([1, 2, 8, 16]),
  }).prefault({}),
});

/** What `dare decode` without a configuration file can be told by `--set`. */
export const standaloneSchema = group({
  model: group(modelSettings).prefault({}),
  decode: decode.prefault({}),
});
export type StandaloneConfig = z.output<typeof standaloneSchema>;

/** A valid configuration: defaults filled in, paths absolute, `path` of inputs always a list. */
export type Config = z.output<typeof configSchema>;
export type EntityInput = z.output<typeof entityInput>;
export type InputsConfig = Config['inputs'];
/** What decoding is told in a lake and without one. */
export type DecodeConfig = StandaloneConfig['decode'];
