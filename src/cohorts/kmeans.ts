import type { Duck } from '../lake/duck.js';
import { dimensions } from './embedding.js';

/** Centres of one k-means run: a list of points of `dimensions` numbers. */
export type Centres = number[][];

export interface KMeansOptions {
  groups: number;
  /** Runs from different starts; the one with the smallest spread counts. */
  restarts?: number;
  /** Users that the restarts look at; the best run goes on with all. */
  sampleSize?: number;
  /** Called before every pass; throws to stop. */
  check?: () => void;
}

interface Run {
  centres: Centres;
  /** Sum of the squared distances to the nearest centre, before the centres moved. */
  spread: number;
  /** The run's sums as text: unchanged sums mean that nothing moves any more. */
  state: string;
}

const maxPasses = 40;
const components = Array.from({ length: dimensions }, (_, k) => `f${k}`);

/**
 * K-means over the users' embedding (user_vectors), components weighted by `weights` (0 leaves one out).
 * Starts are spread by squared distance times a hash, as k-means++ does with chance (Arthur & Vassilvitskii 2007),
 * then Lloyd's passes; the sums are exact, so the result depends on neither threads nor row order.
 * Makes the table clusters(user_id, cluster from 1, distance) and returns the centres. A group may end up without users.
 */
export async function clusterUsers(
  duck: Duck,
  weights: readonly number[],
  options: KMeansOptions,
): Promise<Centres> {
  const { groups, restarts = 20, sampleSize = 20_000, check = () => undefined } = options;
  await duck.script('segment/points', {
    params: { weights: JSON.stringify(weights), sample_size: sampleSize },
  });
  const starts = await startCentres(duck, groups, restarts, check);
  const runs = await lloyd(duck, 'sampled_points', starts, check);
  // Ties go to the earliest restart.
  const best = runs.reduce((a, b) => (b.spread < a.spread ? b : a));
  const [final] = await lloyd(duck, 'points', [best.centres], check);
  const centres = final?.centres ?? [];
  await duck.script('segment/clusters', { params: { centres: JSON.stringify(centres) } });
  return centres;
}

async function startCentres(
  duck: Duck,
  groups: number,
  restarts: number,
  check: () => void,
): Promise<Centres[]> {
  const starts: Centres[] = Array.from({ length: restarts }, () => []);
  for (let k = 0; k < groups; k++) {
    check();
    const rows = await duck.scriptRows('segment/start-centres', {
      params: { centres: JSON.stringify(starts) },
    });
    rows.forEach((row, restart) => {
      starts[restart]?.push(row.centre as number[]);
    });
  }
  return starts;
}

/** Lloyd's passes for all runs at once, until none moves. */
async function lloyd(
  duck: Duck,
  points: string,
  starts: readonly Centres[],
  check: () => void,
): Promise<Run[]> {
  let runs: Run[] = starts.map((centres) => ({ centres, spread: Number.POSITIVE_INFINITY, state: '' }));
  for (let pass = 0; pass < maxPasses; pass++) {
    check();
    const rows = await duck.scriptRows('segment/kmeans-step', {
      identifiers: { points },
      params: { centres: JSON.stringify(runs.map((run) => run.centres)) },
    });
    const next = runs.map((run, restart) =>
      moved(
        run,
        rows.filter((row) => Number(row.restart) === restart + 1),
      ),
    );
    const settled = next.every((run, restart) => run.state === runs[restart]?.state);
    runs = next;
    if (settled) break;
  }
  return runs;
}

/** A run with its centres moved to the means of their points; a centre without points stays where it is. */
function moved(run: Run, rows: readonly Record<string, unknown>[]): Run {
  const centres = [...run.centres];
  let spread = 0;
  for (const row of rows) {
    const size = Number(row.size);
    centres[Number(row.cluster) - 1] = components.map((name) => Number(row[name]) / size);
    spread += Number(row.spread);
  }
  return { centres, spread, state: JSON.stringify(centres) };
}
