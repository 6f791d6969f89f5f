import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type LikeGraph, likesAtOnce, pauseFor } from '../../src/cohorts/graph.js';
import { dimensions, LikePasses, passUsers } from '../../src/cohorts/like-pass.js';

const items = 500;
const each = 12;

/** Every user likes `each` items, but every fifth, who has no likes. */
function graphOf(users: number): LikeGraph {
  const starts = new Uint32Array(new SharedArrayBuffer(4 * (users + 1)));
  for (let user = 0; user < users; user++)
    starts[user + 1] = (starts[user] as number) + (user % 5 === 0 ? 0 : each);
  const likes = starts[users] as number;
  const liked = new Int32Array(new SharedArrayBuffer(4 * likes)).map((_, n) => (n * 7919 + (n % 31)) % items);
  const weights = new Int32Array(new SharedArrayBuffer(4 * likes)).map((_, n) => 1 + ((n * 31) % 65536));
  const shared = (column: Int32Array) => {
    const copy = new Int32Array(new SharedArrayBuffer(column.byteLength));
    copy.set(column);
    return copy;
  };
  const size = { users, items, edges: likes, squareSum: 0 };
  return {
    starts,
    items: shared(liked),
    weights: shared(weights),
    itemDegrees: new Float64Array(items).fill(1),
    size,
  };
}

test('the halves of few likes and of many, which a thread shares: the sums of all users, twice the same', async () => {
  for (const users of [1000, Math.ceil(likesAtOnce / each) * 2]) {
    const graph = graphOf(users);
    assert.is(graph.items.length >= likesAtOnce, users > 1000);
    const passes = new LikePasses(graph);
    passes.scaled.forEach((_, at) => {
      passes.scaled[at] = (at % 97) / 97 - 0.3;
    });
    try {
      const expected = new Float64Array(items * dimensions);
      passUsers(graph, passes.scaled, expected, 0, users);
      const [first, second] = [new Float64Array(expected.length), new Float64Array(expected.length)];
      await passes.pass(
        first,
        pauseFor(() => undefined),
      );
      await passes.pass(
        second,
        pauseFor(() => undefined),
      );
      assert.equal(second, first);
      const largest = Math.max(...expected.map(Math.abs));
      for (const [at, sum] of expected.entries()) {
        assert.ok(Math.abs(sum - (first[at] as number)) < 1e-9 * largest, `${at}: ${first[at]} for ${sum}`);
      }
    } finally {
      passes.close();
    }
  }
});

test('a thread that ended is told', async () => {
  const passes = new LikePasses(graphOf(Math.ceil(likesAtOnce / each) * 2));
  const target = new Float64Array(items * dimensions);
  const pass = passes.pass(
    target,
    pauseFor(() => undefined),
  );
  passes.close();
  try {
    await pass;
    assert.unreachable();
  } catch (error) {
    // 0 where it was ended before it had begun
    assert.match((error as Error).message, /The thread that passes likes ended with code [01]/);
  }
});

test.run();
