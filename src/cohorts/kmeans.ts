import { draw } from './draw.js';
import type { Pause } from './graph.js';

/** Points one behind the other, `width` numbers each. */
export interface Points {
  width: number;
  values: Float64Array;
  /** For each point a number that draws depend on. */
  seeds: Uint32Array;
}

/** Centres one behind the other, as wide as the points. */
export type Centres = Float64Array;

export interface KMeansOptions {
  groups: number;
  /** Runs from different starts; the one with the smallest spread counts. */
  restarts?: number;
  /** Points that the restarts look at, about; the best run goes on with all. */
  sampleSize?: number;
}

interface Run {
  centres: Centres;
  /** Sum of the squared distances to the nearest centre, before the centres moved last. */
  spread: number;
}

const maxPasses = 40;

/**
 * K-means. Starts are spread by squared distance times a draw, as k-means++ does (Arthur & Vassilvitskii 2007), then
 * Lloyd's passes until no centre moves. The sums are made in the points' order.
 * @returns the centres; one may be nearest to no point
 */
export async function kMeans(
  points: Points,
  { groups, restarts = 20, sampleSize = 20_000 }: KMeansOptions,
  pause: Pause,
): Promise<Centres> {
  const sample = pointsAt(points, drawn(points.seeds, sampleSize));
  let best: Run | undefined;
  for (let restart = 0; restart < restarts; restart++) {
    await pause();
    const start = startCentres(sample, groups, (seed, k) => draw(seed, k * restarts + restart));
    const run = await lloyd(sample, start, pause);
    if (best === undefined || run.spread < best.spread) best = run;
  }
  if (best === undefined) throw new Error('no restarts');
  return (await lloyd(points, best.centres, pause)).centres;
}

/** Places of the `count` smallest seeds, ascending; of equal ones more. */
export function drawn(seeds: Uint32Array, count: number): Int32Array {
  const most = seeds.length <= count ? 0xffffffff : (seeds.slice().sort()[count - 1] as number);
  const places: number[] = [];
  for (let place = 0; place < seeds.length; place++) if ((seeds[place] as number) <= most) places.push(place);
  return Int32Array.from(places);
}

/** The centre that is nearest to the point at `at` (the first of several) and the squared distance to it. */
export function nearest(
  centres: Centres,
  width: number,
  values: Float64Array,
  at: number,
): { cluster: number; squared: number } {
  let cluster = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let c = 0; c * width < centres.length; c++) {
    const squared = squaredDistance(centres, c * width, values, at, width);
    if (squared < least) {
      least = squared;
      cluster = c;
    }
  }
  return { cluster, squared: least };
}

/** The squared distance of two points of `width` numbers. */
export function squaredDistance(
  a: Float64Array,
  atA: number,
  b: Float64Array,
  atB: number,
  width: number,
): number {
  let sum = 0;
  for (let k = 0; k < width; k++) {
    const difference = (a[atA + k] as number) - (b[atB + k] as number);
    sum += difference * difference;
  }
  return sum;
}

function pointsAt({ width, values, seeds }: Points, places: Int32Array): Points {
  const taken = new Float64Array(places.length * width);
  for (const [index, place] of places.entries()) {
    taken.set(values.subarray(place * width, (place + 1) * width), index * width);
  }
  return { width, values: taken, seeds: Uint32Array.from(places, (place) => seeds[place] as number) };
}

/** The next centre is the point with the largest squared distance to the centres so far, times a draw. */
function startCentres(points: Points, groups: number, drawOf: (seed: number, k: number) => number): Centres {
  const { width, values, seeds } = points;
  const centres = new Float64Array(groups * width);
  const distances = new Float64Array(seeds.length).fill(1);
  for (let k = 0; k < groups; k++) {
    let chosen = 0;
    let largest = -1;
    for (let point = 0; point < seeds.length; point++) {
      const score = (distances[point] as number) * drawOf(seeds[point] as number, k);
      if (score > largest) {
        largest = score;
        chosen = point;
      }
    }
    const centre = values.subarray(chosen * width, (chosen + 1) * width);
    centres.set(centre, k * width);
    for (let point = 0; point < seeds.length; point++) {
      const squared = squaredDistance(centre, 0, values, point * width, width);
      if (k === 0 || squared < (distances[point] as number)) distances[point] = squared;
    }
  }
  return centres;
}

/** Lloyd's passes until no centre moves. */
async function lloyd(points: Points, start: Centres, pause: Pause): Promise<Run> {
  let run: Run = { centres: start, spread: Number.POSITIVE_INFINITY };
  for (let pass = 0; pass < maxPasses; pass++) {
    await pause();
    const next = moved(points, run.centres);
    const settled = next.centres.every((x, at) => x === run.centres[at]);
    run = next;
    if (settled) break;
  }
  return run;
}

/** The centres moved to the means of their points; a centre without points stays where it is. */
function moved({ width, values }: Points, centres: Centres): Run {
  const groups = centres.length / width;
  const sums = new Float64Array(centres.length);
  const sizes = new Float64Array(groups);
  let spread = 0;
  for (let at = 0; at < values.length; at += width) {
    const { cluster, squared } = nearest(centres, width, values, at);
    sizes[cluster] = (sizes[cluster] as number) + 1;
    spread += squared;
    const to = cluster * width;
    for (let k = 0; k < width; k++) sums[to + k] = (sums[to + k] as number) + (values[at + k] as number);
  }
  const means = sums.map((sum, at) => {
    const size = sizes[Math.floor(at / width)] as number;
    return size === 0 ? (centres[at] as number) : sum / size;
  });
  return { centres: means, spread };
}
