// Attention of a tile: up to QUERIES queries (rows of one sequence x the query heads of one key/value head) over the
// sequence's cached columns, then over the step's own rows as far as the tree lets each row see. Softmax is computed on
// the way (arXiv 1805.02867). With more than one split, each workgroup takes a part of the columns and leaves its sums
// for attention-join.wgsl.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> queries: array<vec4<E>>;
@group(0) @binding(3) var<storage, read> fresh: array<vec4<E>>;
@group(0) @binding(4) var<storage, read> cache: array<vec4<E>>;
@group(0) @binding(5) var<storage, read_write> attended: array<E>;
// [split, row, head, HEAD_SIZE + 2]: unscaled sums, then maximum and sum of the weights
@group(0) @binding(6) var<storage, read_write> parts: array<f32>;

const GROUP = HEADS / KV_HEADS;
const VECTORS = HEAD_SIZE / 4;
const PAD = VECTORS + 1;
// no more threads than there are scores
const THREADS = min(128u, QUERIES * COLUMNS);
// threads that share a query, and what each of them computes
const SHARE = THREADS / QUERIES;
const SCORES = COLUMNS / SHARE;
// the last may lie behind a head whose vectors SHARE doesn't divide
const OUTPUTS = (VECTORS + SHARE - 1) / SHARE;

var<workgroup> q: array<vec4<E>, QUERIES * PAD>;
var<workgroup> k: array<vec4<E>, COLUMNS * PAD>;
var<workgroup> v: array<vec4<E>, COLUMNS * PAD>;
var<workgroup> scores: array<f32, QUERIES * (COLUMNS + 1)>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let head = group.y;
  let tile = sizes.tileTable + group.x * TILE_WORDS;
  let firstRow = tables[tile];
  let rows = tables[tile + 1];
  let slot = tables[tile + 2];
  let cached = tables[tile + 3];
  // the sequence's first row in this step, and whether each row sees all rows before it
  let treeRow = tables[tile + 4];
  let treeRows = tables[tile + 5];
  let causal = tables[tile + 6] == 1;
  let columns = cached + treeRows;
  let length = (columns + sizes.splits * COLUMNS - 1) / (sizes.splits * COLUMNS) * COLUMNS;
  let begin = group.z * length;
  let end = min(begin + length, columns);

  for (var at = thread; at < QUERIES * VECTORS; at += THREADS) {
    let m = at / VECTORS;
    let row = firstRow + min(m / GROUP, rows - 1);
    q[m * PAD + at % VECTORS] = queries[((head * sizes.rows + row) * GROUP + m % GROUP) * VECTORS + at % VECTORS];
  }
  let m = thread / SHARE;
  let share = thread % SHARE;
  let row = firstRow + min(m / GROUP, rows - 1);
  let ownColumn = row - treeRow;
  let mask = sizes.maskTable + row * sizes.maskWords;
  var largest = -1e30;
  var total = 0.0;
  var sums: array<vec4<f32>, OUTPUTS>;

  for (var start = begin; start < end; start += COLUMNS) {
    for (var at = thread; at < COLUMNS * VECTORS; at += THREADS) {
      let c = at / VECTORS;
      let i = at % VECTORS;
      let column = start + c;
      var key = vec4<E>();
      var value = vec4<E>();
      if (column < cached) {
        key = cache[cacheIndex(slot, column, head, i * 4) / 4];
        value = cache[cacheIndex(slot, column, KV_HEADS + head, i * 4) / 4];
      } else if (column < columns) {
        let source = ((sizes.current + treeRow + column - cached) * 2 * KV_HEADS + head) * VECTORS + i;
        key = fresh[source];
        value = fresh[source + KV_HEADS * VECTORS];
      }
      k[c * PAD + i] = key;
      v[c * PAD + i] = value;
    }
    workgroupBarrier();
    var own = array<f32, SCORES>();
    for (var i = 0u; i < VECTORS; i++) {
      let query = vec4<f32>(q[m * PAD + i]);
      for (var j = 0u; j < SCORES; j++) {
        own[j] += dot(query, vec4<f32>(k[(share + j * SHARE) * PAD + i]));
      }
    }
    for (var j = 0u; j < SCORES; j++) {
      let column = start + share + j * SHARE;
      var seen = column < cached;
      if (column >= cached && column < end) {
        let other = column - cached;
        if (causal) {
          seen = other <= ownColumn;
        } else {
          seen = ((tables[mask + other / 32] >> (other % 32)) & 1) == 1;
        }
      }
      own[j] = select(-1e30, own[j] * SCALE, seen && column < end);
      scores[m * (COLUMNS + 1) + share + j * SHARE] = own[j];
    }
    workgroupBarrier();
    var next = largest;
    for (var c = 0u; c < COLUMNS; c++) {
      next = max(next, scores[m * (COLUMNS + 1) + c]);
    }
    workgroupBarrier();
    for (var j = 0u; j < SCORES; j++) {
      // a row that has seen nothing yet must not count the hidden columns
      scores[m * (COLUMNS + 1) + share + j * SHARE] = select(exp(own[j] - next), 0.0, own[j] < -1e29);
    }
    workgroupBarrier();
    let shrink = exp(largest - next);
    largest = next;
    total *= shrink;
    for (var i = 0u; i < OUTPUTS; i++) {
      sums[i] *= shrink;
    }
    for (var c = 0u; c < COLUMNS; c++) {
      let weight = scores[m * (COLUMNS + 1) + c];
      total += weight;
      for (var i = 0u; i < OUTPUTS; i++) {
        sums[i] += weight * vec4<f32>(v[c * PAD + min(i * SHARE + share, VECTORS - 1)]);
      }
    }
    workgroupBarrier();
  }

  if (m / GROUP >= rows || m >= QUERIES / GROUP * GROUP) {
    return;
  }
  let queryHead = head * GROUP + m % GROUP;
  if (sizes.splits == 1) {
    for (var i = 0u; i < OUTPUTS && i * SHARE + share < VECTORS; i++) {
      let to = (row * HEADS + queryHead) * HEAD_SIZE + (i * SHARE + share) * 4;
      for (var j = 0u; j < 4; j++) {
        attended[to + j] = E(sums[i][j] / total);
      }
    }
    return;
  }
  let to = ((group.z * sizes.rows + row) * HEADS + queryHead) * (HEAD_SIZE + 2);
  for (var i = 0u; i < OUTPUTS && i * SHARE + share < VECTORS; i++) {
    for (var j = 0u; j < 4; j++) {
      parts[to + (i * SHARE + share) * 4 + j] = sums[i][j];
    }
  }
  if (share == 0) {
    parts[to + HEAD_SIZE] = largest;
    parts[to + HEAD_SIZE + 1] = total;
  }
}
