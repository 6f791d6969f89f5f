/**
 * A click model: does this user like this item? A factorisation model with features of users and items, as LightFM has it
 * (Kula 2015, "Metadata embeddings for user and item cold-start recommendations", arXiv 1507.08439): a user's vector is
 * one of its own plus a linear map of its features, an item's likewise, and the log-odds are their product plus biases.
 *
 * It is written out here because TensorFlow.js, the library for it, takes 40 s an epoch for the sample's ratings on its
 * CPU backend (4.22), where this takes 50 ms, and has had no release since 2024.
 */
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
  /** Numbers of an entity. */
  width: number;
  /** [users, width], [items, width] */
  users: Float32Array;
  items: Float32Array;
}

export interface Training {
  /** Entries of a user's and an item's vector. */
  factors: number;
  epochs: number;
  rate: number;
  /** Of the squares of all weights but the biases. */
  penalty: number;
}

export const usualTraining: Training = { factors: 16, epochs: 5, rate: 0.05, penalty: 0.001 };

/** Weights with the sums of squared gradients that Adagrad divides by. */
class Weights {
  readonly values: Float64Array;
  private readonly squares: Float64Array;

  constructor(
    size: number,
    private readonly training: Training,
    start: () => number,
  ) {
    this.values = Float64Array.from({ length: size }, start);
    this.squares = new Float64Array(size).fill(1e-4);
  }

  /** A step of Adagrad (Duchi et al. 2011, "Adaptive subgradient methods"). */
  step(at: number, gradient: number, penalty: number): void {
    const value = this.values[at] as number;
    const slope = gradient + penalty * value;
    const square = (this.squares[at] as number) + slope * slope;
    this.squares[at] = square;
    this.values[at] = value - (this.training.rate * slope) / Math.sqrt(square);
  }
}

/** One side of the model: the users or the items. */
class Side {
  readonly bias: Weights;
  /** [entities, factors] */
  private readonly own: Weights;
  /** [width, factors] and [width] */
  private readonly map: Weights;
  private readonly slope: Weights;
  /** [factors]: the vector that was asked for last. */
  readonly vector: Float64Array;

  constructor(
    entities: number,
    private readonly width: number,
    private readonly features: Float32Array,
    private readonly training: Training,
    random: () => number,
  ) {
    const { factors } = training;
    const small = () => (random() - 0.5) / factors;
    const zero = () => 0;
    this.bias = new Weights(entities, training, zero);
    this.own = new Weights(entities * factors, training, small);
    this.map = new Weights(width * factors, training, small);
    this.slope = new Weights(width, training, zero);
    this.vector = new Float64Array(factors);
  }

  /** Fills `vector`; returns the entity's own part of the log-odds. */
  look(entity: number): number {
    const { vector, own, map, width, features, slope } = this;
    const { factors } = this.training;
    let sum = this.bias.values[entity] as number;
    for (let f = 0; f < factors; f++) vector[f] = own.values[entity * factors + f] as number;
    for (let k = 0; k < width; k++) {
      const x = features[entity * width + k] as number;
      if (x === 0) continue;
      sum += x * (slope.values[k] as number);
      for (let f = 0; f < factors; f++)
        vector[f] = (vector[f] as number) + x * (map.values[k * factors + f] as number);
    }
    return sum;
  }

  /** @param gradient of the loss by the log-odds @param other the other side's vector */
  learn(entity: number, gradient: number, other: Float64Array): void {
    const { own, map, width, features, slope } = this;
    const { factors, penalty } = this.training;
    this.bias.step(entity, gradient, penalty);
    for (let f = 0; f < factors; f++)
      own.step(entity * factors + f, gradient * (other[f] as number), penalty);
    for (let k = 0; k < width; k++) {
      const x = features[entity * width + k] as number;
      if (x === 0) continue;
      slope.step(k, gradient * x, penalty);
      for (let f = 0; f < factors; f++)
        map.step(k * factors + f, gradient * x * (other[f] as number), penalty);
    }
  }
}

/**
 * Learns from some clicks and tells the chance that each of others is liked, [test.liked.length].
 * @param features none if left out
 * @param seed decides starting values and the order of learning: the same with other features
 */
export function predictClicks(
  train: Clicks,
  test: Clicks,
  features: Features | undefined,
  seed: number,
  training: Training = usualTraining,
): Float64Array {
  const random = generator(seed);
  const width = features?.width ?? 0;
  const none = new Float32Array(0);
  const sizeOf = (side: 'users' | 'items') =>
    1 + Math.max(...[train, test].map((clicks) => largest(clicks[side])));
  const users = new Side(sizeOf('users'), width, features?.users ?? none, training, random);
  const items = new Side(sizeOf('items'), width, features?.items ?? none, training, random);
  const order = Int32Array.from(train.liked, (_, i) => i);
  const bias = new Weights(1, training, () => 0);
  const chance = (user: number, item: number) => {
    let odds = (bias.values[0] as number) + users.look(user) + items.look(item);
    for (let f = 0; f < training.factors; f++)
      odds += (users.vector[f] as number) * (items.vector[f] as number);
    return 1 / (1 + Math.exp(-odds));
  };
  const shuffled = generator(seed + 1);
  for (let epoch = 0; epoch < training.epochs; epoch++) {
    for (const at of shuffle(order, shuffled)) {
      const [user, item] = [train.users[at] as number, train.items[at] as number];
      const gradient = chance(user, item) - (train.liked[at] as number);
      bias.step(0, gradient, 0);
      users.learn(user, gradient, items.vector);
      items.learn(item, gradient, users.vector);
    }
  }
  return Float64Array.from(test.liked, (_, at) => chance(test.users[at] as number, test.items[at] as number));
}

function largest(values: Int32Array): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
