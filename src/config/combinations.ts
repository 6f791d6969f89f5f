/**
 * What one key alone can't tell: values that are fine by themselves and impossible together.
 * Each check runs when the parts it needs are valid, whatever else is wrong, so that one message holds everything.
 */
import type { z } from 'zod';
import { type Problem, show, valueAt } from './describe.js';
import { checkRemotePaths } from './paths.js';
import type { Mode } from './schema.js';
import * as schema from './schema.js';
import { didYouMean } from './suggest.js';

/** Columns that every features table has: a framework's two columns can't have one of these names. */
export const FEATURE_COLUMNS = [
  'entity_type',
  'entity_id',
  'user_id',
  'item_id',
  'cohort',
  'model',
  'mode',
  'pool_version',
  'partition',
];

export function checkCombinations(raw: unknown): Problem[] {
  return [
    ...checkRemotePaths(raw),
    ...checkColumnNames(raw, 'items', 'item'),
    ...checkColumnNames(raw, 'users', 'user'),
    ...checkRatings(raw),
    ...checkUserCohorts(raw),
    ...checkItemCohorts(raw),
    ...checkFrameworks(raw),
    ...checkHistory(raw),
    ...checkStandalone(raw),
  ];
}

/** The value at `path` with its defaults, or undefined when it is missing or wrong by itself. */
function part<T extends z.ZodType>(type: T, raw: unknown, ...path: string[]): z.output<T> | undefined {
  const parsed = type.safeParse(valueAt(raw, path));
  return parsed.success ? parsed.data : undefined;
}

function checkColumnNames(raw: unknown, group: 'items' | 'users', entity: string): Problem[] {
  const input = part(schema.entityInput, raw, 'inputs', group);
  return [`${entity}_id`, `${entity}_key`]
    .filter((name) => input !== undefined && Object.hasOwn(input.columns, name))
    .map((name) => ({
      path: ['inputs', group, 'columns', name],
      message: `this name is taken by the id; expected another name of your own for the column`,
    }));
}

function checkRatings(raw: unknown): Problem[] {
  const user = part(schema.ratingsInput.shape.user, raw, 'inputs', 'ratings', 'user');
  const item = part(schema.ratingsInput.shape.item, raw, 'inputs', 'ratings', 'item');
  if (item === undefined || user !== item) return [];
  const message = `is "${item}", the column that inputs.ratings.user names too; expected the item's column`;
  return [{ path: ['inputs', 'ratings', 'item'], message }];
}

function checkUserCohorts(raw: unknown): Problem[] {
  const path = ['cohorts', 'users'];
  const { shape } = schema.userCohorts;
  const method = part(shape.method, raw, ...path, 'method');
  const columns = part(shape.columns, raw, ...path, 'columns');
  const own = part(schema.entityInput, raw, 'inputs', 'users')?.columns ?? {};
  const items = part(schema.entityInput, raw, 'inputs', 'items')?.columns;
  if (columns === undefined) return checkRefit(raw, method);
  // Users without attributes of their own are described by the attributes of the items that they rated.
  const known = Object.keys(method === 'column' ? own : { ...own, ...items });
  return [
    ...checkMethod(raw, path, method, columns.length),
    ...(items === undefined ? [] : checkKnown([...path, 'columns'], columns, known)),
    ...checkRefit(raw, method),
  ];
}

/** Cohorts that are named after values have nothing to go on from. */
function checkRefit(raw: unknown, method: string | undefined): Problem[] {
  if (method === undefined || method === 'collaborative') return [];
  const keys = [
    ['cohorts', 'users', 'refit'],
    ['cohorts', 'previous'],
  ];
  const message = `is for cohorts.users.method collaborative; with ${method} cohorts are named after values, the same in every partition: leave the key out`;
  return keys.filter((path) => valueAt(raw, path) !== undefined).map((path) => ({ path, message }));
}

function checkItemCohorts(raw: unknown): Problem[] {
  const path = ['cohorts', 'items'];
  const { shape } = schema.itemCohorts;
  const method = part(shape.method, raw, ...path, 'method');
  const columns = part(shape.columns, raw, ...path, 'columns');
  const items = part(schema.entityInput, raw, 'inputs', 'items')?.columns;
  if (columns === undefined) return [];
  return [
    ...checkMethod(raw, path, method, columns.length),
    ...(items === undefined ? [] : checkKnown([...path, 'columns'], columns, Object.keys(items))),
  ];
}

function checkMethod(raw: unknown, path: string[], method: string | undefined, count: number): Problem[] {
  const problems: Problem[] = [];
  if (method === 'column' && count !== 1) {
    const message = `has ${count} columns; expected exactly one with method column: the one that holds the cohort`;
    problems.push({ path: [...path, 'columns'], message });
  }
  if (method === 'attributes' && count === 0) {
    const message = 'has no columns; expected at least one with method attributes';
    problems.push({ path: [...path, 'columns'], message });
  }
  if (method === 'column' && typeof valueAt(raw, [...path, 'groups']) === 'number') {
    const message = 'a number of groups with method column, whose groups are ready-made; leave it out';
    problems.push({ path: [...path, 'groups'], message });
  }
  return problems;
}

function checkKnown(path: string[], columns: readonly string[], known: readonly string[]): Problem[] {
  return columns.flatMap((column, index) => {
    if (known.includes(column)) return [];
    const list = known.length === 0 ? 'there are none' : `one of ${known.join(', ')}`;
    const message = `is "${column}"; expected our name of a column under inputs (${list})${didYouMean(column, known)}`;
    return [{ path: [...path, index], message }];
  });
}

function checkFrameworks(raw: unknown): Problem[] {
  const frameworks = part(schema.prompts.shape.frameworks, raw, 'prompts', 'frameworks') ?? [];
  const ownTemplates = valueAt(raw, ['prompts', 'templates']) !== undefined;
  const shipped: readonly string[] = schema.FRAMEWORKS;
  return frameworks.flatMap((framework, index) => {
    const path = ['prompts', 'frameworks', index];
    const shown = `is ${JSON.stringify(framework)}`;
    if (frameworks.indexOf(framework) < index) return [{ path, message: `${shown} for the second time` }];
    if (shipped.includes(framework)) return [];
    if (!ownTemplates) {
      const expected = `expected one of ${shipped.join(', ')}, or prompts.templates, a folder with templates of your own`;
      return [{ path, message: `${shown}; ${expected}${didYouMean(framework, shipped)}` }];
    }
    if (!schema.NAME.test(framework)) return [{ path, message: `${shown}; expected ${schema.NAME_RULE}` }];
    if (FEATURE_COLUMNS.includes(framework) || framework.endsWith('_vector')) {
      const message = `${shown}, the name of another column of the features table; rename the framework`;
      return [{ path, message }];
    }
    return [];
  });
}

function checkHistory(raw: unknown): Problem[] {
  const path = ['prompts', 'history'];
  const from = part(schema.history.shape.likedFrom, raw, ...path, 'likedFrom');
  const to = part(schema.history.shape.dislikedTo, raw, ...path, 'dislikedTo');
  if (from === undefined || to === undefined || to < from) return [];
  return [
    { path: [...path, 'dislikedTo'], message: `is ${to}; expected a rating below likedFrom (${from})` },
  ];
}

/** What `dare decode` can be told without a configuration file. */
export function checkStandalone(raw: unknown): Problem[] {
  return [...checkWeights(raw), ...checkDecode(raw)];
}

function checkWeights(raw: unknown): Problem[] {
  const weights = part(schema.modelWeights, raw, 'model', 'weights');
  const device = part(schema.modelDevice, raw, 'model', 'device');
  const path = ['model', 'weights'];
  if (device === 'cpu' && weights === 'float16') {
    const message =
      'is "float16"; expected auto, float32, int8 or int4: the CPU has no float16 arithmetic and would compute in float32';
    return [{ path, message }];
  }
  if (device === 'webgpu' && (weights === 'int8' || weights === 'int4')) {
    return [{ path, message: `is "${weights}"; expected auto, float16 or float32 with model.device webgpu` }];
  }
  if (device === 'cuda' && weights !== undefined && weights !== 'auto' && weights !== 'float32') {
    return [{ path, message: `is "${weights}"; expected auto or float32 with model.device cuda` }];
  }
  for (const key of ['adapter', 'adapters']) {
    if (device !== 'cuda' || valueAt(raw, ['model', key]) === undefined) continue;
    const message = 'is for model.device webgpu; CUDA_VISIBLE_DEVICES says which GPUs CUDA sees';
    return [{ path: ['model', key], message }];
  }
  return checkAdapters(raw, device);
}

/** Several GPUs: each decodes a shard. */
function checkAdapters(raw: unknown, device: unknown): Problem[] {
  const adapters = valueAt(raw, ['model', 'adapters']);
  if (!Array.isArray(adapters)) return [];
  const path = ['model', 'adapters'];
  if (device === 'cpu') return [{ path, message: 'is a list of GPUs, but model.device is cpu' }];
  if (valueAt(raw, ['model', 'adapter']) !== undefined)
    return [{ path, message: 'stands beside model.adapter; expected one of the two' }];
  const twice = adapters.find((name, i) => adapters.indexOf(name) < i);
  if (twice !== undefined) {
    const message = `has ${show(twice)} twice; expected each GPU once: those of one name by their PCI bus ids`;
    return [{ path, message }];
  }
  const shards = valueAt(raw, ['decode', 'shards']);
  if (shards === undefined || shards === adapters.length) return [];
  const message = `is ${show(shards)}; expected ${adapters.length}, one for each of model.adapters, or nothing`;
  return [{ path: ['decode', 'shards'], message }];
}

function checkDecode(raw: unknown): Problem[] {
  const mode = part(schema.decode.shape.mode, raw, 'decode', 'mode');
  const nodes = part(schema.decode.shape.nodes, raw, 'decode', 'nodes');
  const problems = checkSampling(raw, mode);
  if (nodes !== 0 || mode === undefined || mode === 'autoregressive' || mode === 'sample') return problems;
  const message = `is 0; expected at least 1 with mode ${mode}; mode autoregressive decodes without drafts`;
  return [...problems, { path: ['decode', 'nodes'], message }];
}

/** What mode sample has instead of a bound of mode relaxed. */
const INSTEAD = {
  topK: 'did you mean decode.sampling.topK, the tokens to draw from?',
  minProb: "did you mean decode.sampling.minP, a share of the likeliest token's probability?",
  divergenceBudget:
    "mode sample follows the model's own distribution and gives nothing away: leave the key out",
  minGain: 'mode sample takes the token that is drawn, whatever it brings: leave the key out',
};

/** Keys of another mode: they would do nothing. */
function checkSampling(raw: unknown, mode: Mode | undefined): Problem[] {
  const given = valueAt(raw, ['decode', 'sampling']);
  if (mode === undefined) return [];
  if (mode !== 'sample') {
    if (typeof given !== 'object' || given === null) return [];
    return Object.keys(schema.sampling.shape)
      .filter((key) => Object.hasOwn(given, key))
      .map((key) => {
        const twin =
          mode === 'relaxed' && key === 'topK' ? ' (decode.topK is the rank that mode relaxed accepts)' : '';
        const message = `is for mode sample; mode ${mode} draws nothing; set decode.mode to sample, or leave the key out${twin}`;
        return { path: ['decode', 'sampling', key], message };
      });
  }
  const problems = Object.entries(INSTEAD)
    .filter(([key]) => valueAt(raw, ['decode', key]) !== undefined)
    .map(([key, instead]) => ({
      path: ['decode', key],
      message: `is for mode relaxed; ${instead}`,
    }));
  if (part(schema.sampling.shape.temperature, raw, 'decode', 'sampling', 'temperature') === 0) {
    const message = 'is 0; expected more with mode sample; mode greedy always takes the likeliest token';
    problems.push({ path: ['decode', 'sampling', 'temperature'], message });
  }
  return problems;
}
