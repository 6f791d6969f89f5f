/** What texts are worth to a recommender: a click model with their vectors as features, and without. */
import { type Clicks, type Features, predictClicks } from './click-model.js';
import { generator, shuffle } from './generator.js';
import { auc, logLoss, orderOf } from './ranking.js';

/** Ratings as clicks. */
export interface ClickData extends Clicks {
  /** 1 where the user or the item has a text: only these are predicted. */
  described: Uint8Array;
}

/** Features that a model is trained with; undefined: none. */
export interface Arm {
  name: string;
  features: Features | undefined;
}

/** The features by whose loss others are judged, those that they must beat, and those that must lose to them. */
export const arms = {
  reference: 'autoregressive',
  none: 'no features',
  control: 'shuffled features',
} as const;

export interface ArmResult {
  name: string;
  /** Means over the seeds; NaN where a seed has nothing to tell by (`auc`, `logLoss` of ranking). */
  auc: number;
  logLoss: number;
  /** AUC less that of the reference, and its 95% interval. */
  difference: Interval;
}

export interface Interval {
  mean: number;
  low: number;
  high: number;
}

export interface DownstreamOptions {
  seeds: number;
  /** Samples of the bootstrap. */
  samples: number;
}

export const usualDownstream: DownstreamOptions = { seeds: 5, samples: 1000 };

/** Share of the ratings that are held back. */
const testShare = 0.2;
/** Shares of the bootstrap's samples that lie below the interval's ends. */
const ends = [0.025, 0.975] as const;

/** One split of the ratings: what an arm predicted of those held back. */
interface Split {
  test: Clicks;
  chances: Map<string, Float64Array>;
}

/**
 * Trains the model for each of some seeds, which decide split, starting values and order, with each arm's features, and
 * compares the AUC with the reference's. The bootstrap is paired, and draws users: ratings of one user aren't independent.
 * @param all arms, the reference among them
 * @param trained called after each training
 */
export async function compareArms(
  data: ClickData,
  all: readonly Arm[],
  options: DownstreamOptions = usualDownstream,
  trained: () => Promise<void> = async () => undefined,
): Promise<ArmResult[]> {
  const splits: Split[] = [];
  for (let seed = 0; seed < options.seeds; seed++) {
    const { train, test } = splitClicks(data, seed);
    const chances = new Map<string, Float64Array>();
    for (const { name, features } of all) {
      chances.set(name, await predictClicks(train, test, features, seed));
      await trained();
    }
    splits.push({ test, chances });
  }
  const names = all.map(({ name }) => name);
  const measured = aucs(splits, names);
  const drawn = bootstrap(splits, names, options.samples);
  const reference = names.indexOf(arms.reference);
  return names.map((name, arm) => ({
    name,
    auc: measured[arm] as number,
    logLoss: mean(splits.map(({ test, chances }) => logLoss(chances.get(name) as Float64Array, test.liked))),
    difference: {
      mean: (measured[arm] as number) - (measured[reference] as number),
      ...intervalOf(drawn.map((sample) => (sample[arm] as number) - (sample[reference] as number))),
    },
  }));
}

/** Part of the ratings is held back; of it those that texts could help with are predicted. */
function splitClicks(data: ClickData, seed: number): { train: Clicks; test: Clicks } {
  const order = shuffle(
    Int32Array.from(data.liked, (_, i) => i),
    generator(1000 + seed),
  );
  const cut = Math.round(order.length * (1 - testShare));
  const test = order.subarray(cut).filter((at) => data.described[at] === 1);
  return { train: rowsOf(data, order.subarray(0, cut)), test: rowsOf(data, test) };
}

function rowsOf({ users, items, liked }: Clicks, places: Int32Array): Clicks {
  const of = (column: Int32Array) => Int32Array.from(places, (at) => column[at] as number);
  return {
    users: of(users),
    items: of(items),
    liked: Uint8Array.from(places, (at) => liked[at] as number),
  };
}

/** Mean AUC of each arm. @param weights of each user; one if left out */
function aucs(splits: readonly Split[], names: readonly string[], weights?: Float64Array): number[] {
  return names.map((name) =>
    mean(
      splits.map(({ test, chances }) => {
        const counts = weights && Float64Array.from(test.users, (user) => weights[user] as number);
        const own = chances.get(name) as Float64Array;
        return auc(own, test.liked, orders(own), counts);
      }),
    ),
  );
}

const known = new WeakMap<Float64Array, Int32Array>();

/** The order of chances, sorted once. */
function orders(chances: Float64Array): Int32Array {
  const found = known.get(chances) ?? orderOf(chances);
  known.set(chances, found);
  return found;
}

/** AUCs of the arms on samples of users drawn with replacement: [samples][arms]. */
function bootstrap(splits: readonly Split[], names: readonly string[], samples: number): number[][] {
  const random = generator(7);
  const users = [...new Set(splits.flatMap(({ test }) => [...test.users]))];
  const size = Math.max(0, ...users) + 1;
  return Array.from({ length: samples }, () => {
    const weights = new Float64Array(size);
    for (let i = 0; i < users.length; i++) {
      const drawn = users[Math.floor(random() * users.length)] as number;
      weights[drawn] = (weights[drawn] as number) + 1;
    }
    return aucs(splits, names, weights);
  });
}

function intervalOf(values: readonly number[]): { low: number; high: number } {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const [low, high] = ends.map((share) => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN);
  return { low: low as number, high: high as number };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
