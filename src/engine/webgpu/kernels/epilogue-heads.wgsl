// Results are queries, keys and values: queries and keys get their rotary position (half rotation, arXiv 2104.09864), keys and
// values go to `fresh`. Columns of queries and keys that are rotated together are neighbours: w has them in that order, and
// since queries and keys have it alike, it makes no difference to attention. Workgroups behind those of the rows make the
// changes in the cache: see changes.wgsl.
@group(0) @binding(4) var<storage, read> tables: array<u32>;
// cos and sin of each position: [context, HEAD_SIZE / 2, 2]
@group(0) @binding(5) var<storage, read> rotary: array<f32>;
// [KV_HEADS, rows, GROUP, HEAD_SIZE]: the queries of a tile stand together
@group(0) @binding(6) var<storage, read_write> queries: array<E>;
// [row, key or value, KV_HEADS, HEAD_SIZE]
@group(0) @binding(7) var<storage, read_write> fresh: array<E>;
// as cache.wgsl says
@group(0) @binding(8) var<storage, read_write> cache: array<vec4<E>>;

const GROUP = HEADS / KV_HEADS;
const KV_SIZE = KV_HEADS * HEAD_SIZE;

// The results of a column and the next one; column is even.
fn finishPair(row: u32, column: u32, first: f32, second: f32) {
  if (row >= sizes.rows || column >= N) {
    return;
  }
  var pair = vec2(biased(first, column), biased(second, column + 1));
  let head = column / HEAD_SIZE;
  let element = column % HEAD_SIZE;
  if (head < HEADS + KV_HEADS) {
    let at = tables[row * ROW_WORDS + 1] * HEAD_SIZE + element;
    let c = rotary[at];
    let s = rotary[at + 1];
    pair = vec2(pair.x * c - pair.y * s, pair.y * c + pair.x * s);
  }
  if (head < HEADS) {
    let to = ((head / GROUP * sizes.rows + row) * GROUP + head % GROUP) * HEAD_SIZE + element;
    queries[to] = E(pair.x);
    queries[to + 1] = E(pair.y);
  } else {
    let to = (sizes.current + row) * 2 * KV_SIZE + (head - HEADS) * HEAD_SIZE + element;
    fresh[to] = E(pair.x);
    fresh[to + 1] = E(pair.y);
  }
}

// Whether a workgroup is behind those of the rows, of which each takes `side`.
fn isBeside(y: u32, side: u32) -> bool {
  return y >= (sizes.rows + side - 1) / side;
}

// Such workgroups make a change each; there are `columns` of them side by side.
fn beside(y: u32, x: u32, columns: u32, side: u32, thread: u32, threads: u32) {
  change((y - (sizes.rows + side - 1) / side) * columns + x, thread, threads);
}
