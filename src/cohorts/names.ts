import type { Duck } from '../lake/duck.js';
import { appendNumbers, numberColumns } from '../lake/number-columns.js';
import { heaviestPairs } from './assignment.js';
import { type AttributeColumn, placeColdUsers } from './attributes.js';
import type { DistanceTo } from './clusters.js';

/** How the users' cohorts go on from those of an earlier partition. */
export interface EarlierCohorts {
  /** The earlier table of cohorts. */
  path: string;
  /** The largest number that a cohort of users has ever had, as far as is known: names aren't given twice. */
  lastNumber: number;
  /** Whether users stay in their cohorts as long as these live on, or only the names do. */
  keepMembers: boolean;
}

export interface Continued {
  /** Cohorts that live on from the earlier ones. */
  taken: number;
  lastNumber: number;
}

/** Users of one cluster that were in one cohort earlier. */
export interface Overlap {
  cluster: number;
  cohort: string;
  users: number;
}

/**
 * Finds out which of the table `clusters` are cohorts of an earlier partition (the table `cluster_names`), places the
 * users that are in none by `columns` (the table `cold_clusters`), and returns what the other clusters' numbers go on
 * from. Without earlier cohorts all clusters are new.
 * @param distanceTo measures users against the clusters; undefined for a single one
 */
export async function continueCohorts(
  duck: Duck,
  earlier: EarlierCohorts | undefined,
  distanceTo: DistanceTo | undefined,
  columns: readonly AttributeColumn[],
): Promise<Continued> {
  const names = new Map<number, string>();
  let lastNumber = 0;
  if (earlier !== undefined) {
    const [row] = await duck.scriptRows('segment/earlier-cohorts', { params: { path: earlier.path } });
    lastNumber = Math.max(earlier.lastNumber, Number(row?.last_number));
    const overlaps = (await duck.scriptRows('segment/overlaps')) as unknown as Overlap[];
    for (const [cluster, cohort] of matchCohorts(overlaps)) names.set(cluster, cohort);
  }
  const list = [...names].map(([cluster, cohort]) => ({ cluster, cohort }));
  await duck.script('segment/cluster-names', { params: { names: JSON.stringify(list) } });
  const keep = earlier?.keepMembers === true;
  if (keep && distanceTo !== undefined) await keepMembers(duck, distanceTo);
  await placeColdUsers(duck, columns);
  if (keep) await duck.script('segment/keep-cold-members');
  return { taken: names.size, lastNumber };
}

/** Users whose earlier cohort lives on stay in it. */
async function keepMembers(duck: Duck, distanceTo: DistanceTo): Promise<void> {
  await duck.script('segment/staying');
  for await (const page of numberColumns(duck, 'staying', ['user_number', 'cluster'])) {
    const [users, clusters] = page.map((column) => Int32Array.from(column)) as [Int32Array, Int32Array];
    const distances = Float64Array.from(users, (user, row) => distanceTo(user, clusters[row] as number));
    await appendNumbers(duck, 'stayed', [users, clusters, distances]);
  }
  await duck.script('segment/keep-members');
}

/**
 * The cohort that each cluster continues, if it does: of all ways to pair clusters with cohorts the one that most users
 * stay in, where a pair holds more than half of the cluster's users that were in any cohort, or more than half of the
 * cohort's that are in any cluster. What is split or joined goes on as its larger part.
 */
export function matchCohorts(overlaps: readonly Overlap[]): Map<number, string> {
  const clusters = [...new Set(overlaps.map(({ cluster }) => cluster))].sort((a, b) => a - b);
  const cohorts = [...new Set(overlaps.map(({ cohort }) => cohort))].sort();
  const users = clusters.map(() => cohorts.map(() => 0));
  for (const overlap of overlaps) {
    const row = users[clusters.indexOf(overlap.cluster)] as number[];
    row[cohorts.indexOf(overlap.cohort)] = overlap.users;
  }
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const ofCohort = cohorts.map((_, column) => sum(users.map((row) => row[column] as number)));
  const weights = users.map((row) => {
    const ofCluster = sum(row);
    return row.map((both, column) =>
      2 * both > ofCluster || 2 * both > (ofCohort[column] as number) ? both : 0,
    );
  });
  const pairs = heaviestPairs(weights).flatMap((column, row) =>
    column === -1 ? [] : [[clusters[row] as number, cohorts[column] as string] as const],
  );
  return new Map(pairs);
}
