import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseGroups, type GraphSize, noiseEdge } from '../../src/cohorts/groups.js';

/** `signal` singular values over a bulk of noise just below 0.4, and the graph whose noise ends at 0.4. */
function spectrum(signal: number[], noise = 0.4): { singular: number[]; graph: GraphSize } {
  const users = 900;
  const items = 400;
  const residual = (noise / (Math.sqrt(users) + Math.sqrt(items))) ** 2 * users * items;
  const singular = [1, ...signal];
  while (singular.length < 16) singular.push(noise - 0.003 * singular.length);
  const squareSum = residual + [1, ...signal].reduce((sum, x) => sum + x * x, 0);
  return { singular, graph: { users, items, edges: 20_000, squareSum } };
}

test('the number of groups is the number of singular values above the noise', () => {
  const table: [string, number[], number][] = [
    ['no structure', [], 1],
    ['two groups', [0.6], 2],
    ['a larger gap within the structure does not end it', [0.9, 0.88, 0.55, 0.5], 5],
    ['equal groups', [0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], 8],
    ['more groups than components', Array.from({ length: 15 }, () => 0.7), 16],
  ];
  for (const [name, signal, expected] of table) {
    const { singular, graph } = spectrum(signal);
    assert.is(chooseGroups(singular, graph), expected, name);
  }
});

test('separate parts without noise: the values after them are zero', () => {
  const graph = { users: 30, items: 20, edges: 200, squareSum: 3 };
  assert.is(chooseGroups([1, 1, 1, 0, 0, 0], graph), 3);
});

test("the noise's edge leaves the structure out", () => {
  const { singular, graph } = spectrum([0.9, 0.8, 0.7]);
  // One value of the bulk is taken for residual energy at most: the edge moves by less than a hundredth.
  assert.ok(Math.abs(noiseEdge(singular, graph) - 0.4) < 0.01);
});

test.run();
