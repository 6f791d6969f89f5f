/**
 * A click model: does this user like this item? A factorisation model with features of users and items, as LightFM has it
 * (Kula 2015, "Metadata embeddings for user and item cold-start recommendations", arXiv 1507.08439): a user's vector is
 * one of its own plus a linear map of its features, an item's likewise, and the log-odds are their product plus biases,
 * which are made in the same way.
 *
 * jax-js takes the gradients and compiles a step of training to WebAssembly, for one thread: a seed gives the same result
 * on a machine. A function of it frees the arrays that it is given: whoever uses `x` again afterwards gives it `x.ref`.
 */
import { blockUntilReady, grad, jit, nn, numpy as np, random, tree } from '@jax-js/jax';
import { runError } from '../errors.js';
import { generator, shuffle } from './generator.js';

/** Who met what, and whether they liked it: three columns of one length. */
export interface Clicks {
  users: Int32Array;
  items: Int32Array;
  /** 0 or 1. */
  liked: Uint8Array;
}

/** What is known of users and items beside who they are; rows of zeros where nothing is. */
export interface Features {
  /** Numbers of an entity, at least 1. */
  width: number;
  /** [users, width], [items, width] */
  users: Float32Array;
  items: Float32Array;
}

export interface Training {
  /** Entries of a user's and an item's vector. */
  factors: number;
  epochs: number;
  /**
   * Clicks that a step learns from, at most: an epoch's are split evenly. More where an epoch would have more than `steps` steps.
   */
  batch: number;
  steps: number;
  /** Of Adagrad. */
  rate: number;
  /** Of the squares of all weights but the common bias; of those of an entity's own, the mean over entities. */
  penalty: number;
}

export const usualTraining: Training = {
  factors: 16,
  epochs: 8,
  batch: 256,
  steps: 64,
  rate: 0.03,
  penalty: 0.001,
};

/** Weights of the users, or of the items. The last column makes the bias, those before it the vector. */
type Side = {
  /** [entities, factors + 1] */
  own: np.Array;
  /** [width, factors + 1] */
  map: np.Array;
};

type Weights = { bias: np.Array; users: Side; items: Side };

/** Features, [entities, width]. */
type Known = { users: np.Array; items: np.Array };

/** Places of users and items, [clicks]. */
type Pairs = { users: np.Array; items: np.Array };

/** Some clicks; `liked` is 0 or 1, [clicks]. */
type Batch = Pairs & { liked: np.Array };

/**
 * Learns from some clicks and tells the chance that each of others is liked, [test.liked.length].
 * @param features none if left out
 * @param seed decides starting values and the order of learning: the same with other features
 * @throws where chances come out as NaN, as they do with features that are NaN
 */
export async function predictClicks(
  train: Clicks,
  test: Clicks,
  features: Features | undefined,
  seed: number,
  training: Training = usualTraining,
): Promise<Float64Array> {
  if (test.liked.length === 0) return new Float64Array(0);
  const known: Known = {
    users: featuresOf('users', [train, test], features),
    items: featuresOf('items', [train, test], features),
  };
  const learnt = await learn(startingWeights(known, seed, training), known, train, seed, training);
  const { liked, ...pairs } = batchOf(test, Int32Array.from(test.liked.keys()));
  liked.dispose();
  const chances = Float64Array.from(await nn.sigmoid(logOdds(learnt, known, pairs)).data());
  if (chances.some(Number.isNaN)) throw runError('a click model learnt nothing: its chances are not numbers');
  return chances;
}

/** Features of all the users or items that clicks name; a column of zeros where there are none. */
function featuresOf(side: 'users' | 'items', clicks: readonly Clicks[], features?: Features): np.Array {
  const entities = 1 + Math.max(...clicks.map((some) => largest(some[side])));
  // not of no width: compiled steps of jax-js 0.1.25 fill products over no columns with what memory held before
  if (features === undefined) return np.zeros([entities, 1]);
  return np.array(features[side].slice(0, entities * features.width)).reshape([entities, features.width]);
}

function startingWeights(known: Known, seed: number, { factors }: Training): Weights {
  const small = (rows: number, part: number) =>
    random
      .uniform(random.key(4 * seed + part), [rows, factors + 1])
      .sub(0.5)
      .div(factors);
  const side = (features: np.Array, part: number): Side => {
    const [entities, width] = features.shape as [number, number];
    return { own: small(entities, part), map: small(width, part + 1) };
  };
  return { bias: np.zeros([1]), users: side(known.users, 0), items: side(known.items, 2) };
}

/** Trains weights, epoch by epoch in another order, in steps of one size: an epoch leaves out what is over. */
async function learn(
  weights: Weights,
  known: Known,
  train: Clicks,
  seed: number,
  training: Training,
): Promise<Weights> {
  const { epochs, batch, rate, penalty } = training;
  const clicks = train.liked.length;
  const steps = Math.min(training.steps, Math.ceil(clicks / batch));
  const size = Math.floor(clicks / steps);
  const step = jit((old: Weights, squares: Weights, rows: Batch, features: Known) => {
    const gradients = grad((of: Weights) => loss(of, features, rows, penalty))(tree.ref(old));
    return adagrad(old, squares, gradients, rate);
  });
  const order = Int32Array.from(train.liked.keys());
  const shuffled = generator(seed + 1);
  let learnt = weights;
  // above 0, so that a first gradient, however small, makes no step of full length
  let squares = tree.map((array: np.Array) => np.fullLike(array, 1e-4), tree.ref(weights)) as Weights;
  for (let done = 0; done < epochs * steps; done++) {
    const at = done % steps;
    if (at === 0) shuffle(order, shuffled);
    const rows = batchOf(train, order.subarray(at * size, (at + 1) * size));
    [learnt, squares] = step(learnt, squares, rows, tree.ref(known));
    // steps are only noted until their result is asked for
    await blockUntilReady([learnt, squares]);
  }
  tree.dispose(squares);
  step.dispose();
  return learnt;
}

/**
 * A step of Adagrad (Duchi et al. 2011, "Adaptive subgradient methods"). It suits weights that few clicks are about: they
 * move when these come, and as far whether an epoch has ten steps or a thousand.
 * @param squares sums of squared gradients until now
 */
function adagrad(weights: Weights, squares: Weights, gradients: Weights, rate: number): [Weights, Weights] {
  const add = (sum: np.Array, gradient: np.Array) => sum.add(np.square(gradient));
  const move = (weight: np.Array, gradient: np.Array, sum: np.Array) =>
    weight.sub(gradient.mul(rate).div(np.sqrt(sum)));
  const sums = tree.map(add, squares, tree.ref(gradients)) as Weights;
  return [tree.map(move, weights, gradients, tree.ref(sums)) as Weights, sums];
}

function batchOf(clicks: Clicks, places: Int32Array): Batch {
  const of = (column: Int32Array) => np.array(Int32Array.from(places, (at) => column[at] as number));
  return {
    users: of(clicks.users),
    items: of(clicks.items),
    liked: np.array(Float32Array.from(places, (at) => clicks.liked[at] as number)),
  };
}

/** What is minimised, of some clicks: the sum of -ln of the chance that was given to what happened, and the penalty. */
function loss(weights: Weights, known: Known, { liked, ...pairs }: Batch, penalty: number): np.Array {
  const share = (penalty / 2) * (liked.shape[0] as number);
  const squares = [weights.users, weights.items].map(({ own, map }) => {
    const perEntity = np.sum(np.square(own.ref)).div(own.shape[0] as number);
    return perEntity.add(np.sum(np.square(map.ref))).mul(share);
  });
  const odds = logOdds(weights, known, pairs);
  // -ln of 1 / (1 + e^-odds) where it was liked, and of 1 less that where it wasn't
  const surprise = np.sum(nn.softplus(odds.ref).sub(odds.mul(liked)));
  return squares.reduce((sum, square) => sum.add(square), surprise);
}

/** Log-odds that each user likes the item at its side, [pairs]. */
function logOdds(weights: Weights, known: Known, pairs: Pairs): np.Array {
  const [users, userBias] = parts(weights.users, known.users, pairs.users);
  const [items, itemBias] = parts(weights.items, known.items, pairs.items);
  return np.sum(users.mul(items), 1).add(userBias).add(itemBias).add(weights.bias);
}

/** Vectors, [places, factors], and biases, [places], of the entities at some places. */
function parts({ own, map }: Side, features: np.Array, places: np.Array): [np.Array, np.Array] {
  const fromFeatures = np.matmul(np.take(features, places.ref, 0), map);
  const both = np.take(own, places, 0).add(fromFeatures);
  const [vectors, bias] = np.split(both, [(both.shape[1] as number) - 1], 1) as [np.Array, np.Array];
  return [vectors, np.squeeze(bias, 1)];
}

function largest(values: Int32Array): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
