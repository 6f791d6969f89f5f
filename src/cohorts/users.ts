import type { Duck } from '../lake/duck.js';
import { unsignedColumn } from '../lake/number-columns.js';
import { clusterUsers, type DistanceTo, oneCluster } from './clusters.js';
import { embedItems } from './embedding.js';
import { pauseFor, readGraph } from './graph.js';
import { chooseGroups } from './groups.js';

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
  /** Undefined where there is one cluster. */
  distanceTo: DistanceTo | undefined;
  singularValues: number[];
  warnings: string[];
}

/**
 * Groups the users by what they like together: the table clusters(user_number, user_id, cluster, distance) of all users
 * with at least `minRatings` likes. Needs the tables of `openInputs`. Never fails for too little data: the
 * fewer users have enough likes, the fewer groups there are, with a warning.
 */
export async function groupCollaboratively(
  duck: Duck,
  options: CollaborativeOptions,
): Promise<CollaborativeResult> {
  const { groups, minRatings, dislikedTo, check = () => undefined } = options;
  await duck.script('segment/likes', { params: { disliked_to: dislikedTo } });
  const graph = await readGraph(duck, minRatings);
  const { size } = graph;
  const few = `${size.users} users have at least ${minRatings} ratings above ${dislikedTo}`;
  if (size.users < 2 || groups === 1) {
    await oneCluster(duck, graph);
    const warnings =
      groups === 1 ? [] : [`only ${few}: too few to form groups of users, so there is one cohort`];
    return {
      users: size.users,
      groups: Math.min(1, size.users),
      distanceTo: undefined,
      singularValues: [],
      warnings,
    };
  }
  const pause = pauseFor(check);
  await duck.script('segment/seeds');
  const seeds = await unsignedColumn(duck, 'item_seeds', 'seed');
  const embedding = await embedItems(graph, seeds, pause);
  const { singularValues } = embedding;
  const wanted = groups === 'auto' ? chooseGroups(singularValues, size) : groups;
  const count = Math.min(wanted, size.users);
  const warnings: string[] = [];
  if (count < wanted) warnings.push(`only ${few}: ${count} groups of users are made instead of ${wanted}`);
  let distanceTo: DistanceTo | undefined;
  if (count === 1) {
    warnings.push(
      'the ratings show no groups of users beyond chance, so there is one cohort; set cohorts.users.groups',
    );
    await oneCluster(duck, graph);
  } else {
    distanceTo = await clusterUsers(duck, graph, embedding, count, pause);
  }
  return { users: size.users, groups: count, distanceTo, singularValues, warnings };
}
