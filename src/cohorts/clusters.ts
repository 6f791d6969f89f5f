import type { Duck } from '../lake/duck.js';
import { appendNumbers, unsignedColumn } from '../lake/number-columns.js';
import { type Embedding, placeUser } from './embedding.js';
import { type LikeGraph, type Pause, usersOf } from './graph.js';
import { type Centres, drawn, kMeans, nearest, squaredDistance } from './kmeans.js';
import { dimensions } from './like-pass.js';

/** Users that the centres are the means of, about; the others only go to the nearest centre. */
const placedUsers = 1_000_000;
const usersAtOnce = 1 << 16;

/** Measures users of the graph (by their numbers) against clusters (from 1). */
export type DistanceTo = (user: number, cluster: number) => number;

/**
 * Groups the users of the graph by k-means over their places: K groups show in K - 1 components after the trivial first
 * one, each weighted by its singular value. Makes the table clusters(user_number, user_id, cluster from 1, distance). A
 * group may end up without users.
 */
export async function clusterUsers(
  duck: Duck,
  graph: LikeGraph,
  embedding: Embedding,
  groups: number,
  pause: Pause,
): Promise<DistanceTo> {
  const width = Math.min(groups, dimensions) - 1;
  const users = usersOf(graph);
  const allSeeds = await unsignedColumn(duck, 'user_seeds', 'seed');
  const seeds = Uint32Array.from(users, (user) => allSeeds[user] as number);
  const chosen = drawn(seeds, placedUsers);
  const values = new Float64Array(chosen.length * width);
  for (const [index, place] of chosen.entries()) {
    placeUser(graph, embedding, users[place] as number, width, values, index * width);
    if (index % usersAtOnce === 0) await pause();
  }
  const points = { width, values, seeds: Uint32Array.from(chosen, (place) => seeds[place] as number) };
  const centres = await kMeans(points, { groups }, pause);
  await assignUsers(duck, { graph, embedding, centres, width, users }, pause);
  const place = new Float64Array(width);
  return (user, cluster) => {
    placeUser(graph, embedding, user, width, place, 0);
    return Math.sqrt(squaredDistance(centres, (cluster - 1) * width, place, 0, width));
  };
}

/** One cluster of all users of the graph, with nothing to measure a distance from: the table clusters. */
export async function oneCluster(duck: Duck, graph: LikeGraph): Promise<void> {
  await duck.script('segment/no-clusters');
  const users = usersOf(graph);
  const none = new Float64Array(users.length).fill(Number.NaN);
  await appendNumbers(duck, 'found_clusters', [users, new Int32Array(users.length).fill(1), none]);
  await duck.script('segment/clusters');
}

interface Assignment {
  graph: LikeGraph;
  embedding: Embedding;
  centres: Centres;
  width: number;
  users: Int32Array;
}

async function assignUsers(duck: Duck, assignment: Assignment, pause: Pause): Promise<void> {
  const { graph, embedding, centres, width, users } = assignment;
  await duck.script('segment/no-clusters');
  const place = new Float64Array(width);
  for (let first = 0; first < users.length; first += usersAtOnce) {
    const some = users.subarray(first, first + usersAtOnce);
    const clusters = new Int32Array(some.length);
    const distances = new Float64Array(some.length);
    for (const [index, user] of some.entries()) {
      placeUser(graph, embedding, user, width, place, 0);
      const { cluster, squared } = nearest(centres, width, place, 0);
      clusters[index] = cluster + 1;
      distances[index] = Math.sqrt(squared);
    }
    await appendNumbers(duck, 'found_clusters', [some, clusters, distances]);
    await pause();
  }
  await duck.script('segment/clusters');
}
