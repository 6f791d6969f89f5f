import type { Duck } from '../lake/duck.js';
import { buildGraph, dimensions, embedUsers } from './embedding.js';
import { chooseGroups } from './groups.js';
import { type Centres, clusterUsers } from './kmeans.js';

export interface CollaborativeOptions {
  groups: number | 'auto';
  /** Users with fewer likes are left to the attributes. */
  minRatings: number;
  /** Ratings up to this one are no likes; above it a like weighs rating - dislikedTo. */
  dislikedTo: number;
  /** Called between two steps; throws to stop. */
  check?: () => void;
}

export interface CollaborativeResult {
  /** Users with enough likes: those of the table clusters. */
  users: number;
  groups: number;
  /** Of the clusters; none where there is one cluster. */
  centres: Centres;
  singularValues: number[];
  warnings: string[];
}

/**
 * Groups the users by what they like together: the table clusters(user_id, cluster, distance) of all users with at
 * least `minRatings` likes. Needs the tables of `openInputs`. Never fails for too little data: the fewer users have
 * enough likes, the fewer groups there are, with a warning.
 */
export async function groupCollaboratively(
  duck: Duck,
  options: CollaborativeOptions,
): Promise<CollaborativeResult> {
  const { groups, minRatings, dislikedTo, check = () => undefined } = options;
  await duck.script('segment/likes', { params: { disliked_to: dislikedTo } });
  const graph = await buildGraph(duck, minRatings);
  const few = `${graph.users} users have at least ${minRatings} ratings above ${dislikedTo}`;
  if (graph.users < 2 || groups === 1) {
    await duck.script('segment/one-cluster');
    const warnings =
      groups === 1 ? [] : [`only ${few}: too few to form groups of users, so there is one cohort`];
    return {
      users: graph.users,
      groups: Math.min(1, graph.users),
      centres: [],
      singularValues: [],
      warnings,
    };
  }
  const singularValues = await embedUsers(duck, check);
  const wanted = groups === 'auto' ? chooseGroups(singularValues, graph) : groups;
  const count = Math.min(wanted, graph.users);
  const warnings: string[] = [];
  if (count < wanted) warnings.push(`only ${few}: ${count} groups of users are made instead of ${wanted}`);
  let centres: Centres = [];
  if (count === 1) {
    warnings.push(
      'the ratings show no groups of users beyond chance, so there is one cohort; set cohorts.users.groups',
    );
    await duck.script('segment/one-cluster');
  } else {
    centres = await clusterUsers(duck, componentWeights(singularValues, count), { groups: count, check });
  }
  return { users: graph.users, groups: count, centres, singularValues, warnings };
}

/** K groups show in K - 1 components after the trivial first one, each weighted by its singular value. */
export function componentWeights(singularValues: readonly number[], groups: number): number[] {
  return Array.from({ length: dimensions }, (_, k) => (k > 0 && k < groups ? (singularValues[k] ?? 0) : 0));
}
