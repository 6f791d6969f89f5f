// Attention of a tile with subgroup matrices (tensor cores): the same tables, inputs and outputs as attention.wgsl, but
// a workgroup takes only SPAN columns, so all scores of its QUERIES queries fit in its memory, and softmax needs no
// second look. A sequence's own rows begin at the next multiple of 16 columns, so that a matrix of 16 columns lies
// wholly in the cache or wholly among the new rows; what lies between is hidden. Keys and values go from there to the
// matrices: each is needed once, and the less memory a workgroup takes, the more of them share a core (H200: half the
// time of bringing them into the workgroup's memory first). Inputs hold float16 numbers, eight in a vec4<u32>: loads of
// single numbers take many times as long.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> queries: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> fresh: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> cache: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> attended: array<f16>;
@group(0) @binding(6) var<storage, read_write> parts: array<f32>;

const GROUP = HEADS / KV_HEADS;
const SPAN = COLUMNS;
// in vectors of eight
const SIZE = HEAD_SIZE / 8;
const ROW = 2 * KV_HEADS * SIZE;
const STRIDE = max(SPAN, HEAD_SIZE) + 4;
const WEIGHT_STRIDE = SPAN + 8;
// threads of a query
const SHARES = 128 / QUERIES;
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

// scores; later the sums over the values
var<workgroup> scores: array<f32, QUERIES * STRIDE>;
var<workgroup> weights: array<f16, QUERIES * WEIGHT_STRIDE>;
var<workgroup> largest: array<f32, QUERIES>;
var<workgroup> totals: array<f32, QUERIES>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wave = thread / 32;
  let head = group.y;
  let tile = sizes.tileTable + group.x * TILE_WORDS;
  let firstRow = tables[tile];
  let rows = tables[tile + 1];
  let slot = tables[tile + 2];
  let cached = tables[tile + 3];
  let treeRow = tables[tile + 4];
  let treeRows = tables[tile + 5];
  let causal = tables[tile + 6] == 1;
  // where the sequence's own rows begin
  let own = (cached + 15) / 16 * 16;
  let columns = own + treeRows;
  let begin = group.z * SPAN;
  let cacheStart = (slot * sizes.capacity * 2 * KV_HEADS + head) * SIZE;
  let freshStart = ((sizes.current + treeRow) * 2 * KV_HEADS + head) * SIZE;
  let queryStart = (head * sizes.rows + firstRow) * GROUP * SIZE;

  // each subgroup takes every fourth matrix of 16 columns
  for (var c = wave * 16; c < SPAN; c += 64) {
    let column = begin + c;
    var sum = Sums();
    if (column < columns) {
      for (var d = 0u; d < SIZE; d += 2) {
        var key: Right;
        if (column < own) {
          key = subgroupMatrixLoad<Right, col_major>(&cache, cacheStart + column * ROW + d, ROW);
        } else {
          key = subgroupMatrixLoad<Right, col_major>(&fresh, freshStart + (column - own) * ROW + d, ROW);
        }
        let query = subgroupMatrixLoad<Left, row_major>(&queries, queryStart + d, SIZE);
        sum = subgroupMatrixMultiplyAccumulate(query, key, sum);
      }
    }
    subgroupMatrixStore<row_major>(&scores, c, sum, STRIDE);
  }
  workgroupBarrier();

  let m = thread / SHARES;
  let share = thread % SHARES;
  let row = firstRow + min(m / GROUP, rows - 1);
  let mask = sizes.maskTable + row * sizes.maskWords;
  var top = -1e30;
  for (var c = share; c < SPAN; c += SHARES) {
    let column = begin + c;
    var seen = column < cached;
    if (column >= own && column < columns) {
      let other = column - own;
      if (causal) {
        seen = other <= row - treeRow;
      } else {
        seen = ((tables[mask + other / 32] >> (other % 32)) & 1) == 1;
      }
    }
    let score = select(-1e30, scores[m * STRIDE + c] * SCALE, seen);
    scores[m * STRIDE + c] = score;
    top = max(top, score);
  }
  // the threads of a query stand side by side in a subgroup
  for (var lane = 1u; lane < SHARES; lane *= 2) {
    top = max(top, subgroupShuffleXor(top, lane));
  }
  var total = 0.0;
  for (var c = share; c < SPAN; c += SHARES) {
    let score = scores[m * STRIDE + c];
    let weight = select(f16(exp(score - top)), 0h, score < -1e29);
    weights[m * WEIGHT_STRIDE + c] = weight;
    total += f32(weight);
  }
  for (var lane = 1u; lane < SHARES; lane *= 2) {
    total += subgroupShuffleXor(total, lane);
  }
  if (share == 0) {
    largest[m] = top;
    totals[m] = total;
  }
  workgroupBarrier();

  // each subgroup takes every fourth matrix of 16 elements of the values
  for (var d = wave * 16; d < HEAD_SIZE; d += 64) {
    let element = KV_HEADS * SIZE + d / 8;
    var sum = Sums();
    for (var c = 0u; c < SPAN; c += 16) {
      let column = begin + c;
      if (column < columns) {
        var value: Right;
        if (column < own) {
          value = subgroupMatrixLoad<Right, row_major>(&cache, cacheStart + column * ROW + element, ROW);
        } else {
          value = subgroupMatrixLoad<Right, row_major>(&fresh, freshStart + (column - own) * ROW + element, ROW);
        }
        let weight = subgroupMatrixLoad<Left, row_major>(&weights, c, WEIGHT_STRIDE);
        sum = subgroupMatrixMultiplyAccumulate(weight, value, sum);
      }
    }
    subgroupMatrixStore<row_major>(&scores, d, sum, STRIDE);
  }
  workgroupBarrier();

  for (var at = thread; at < min(rows * GROUP, QUERIES) * HEAD_SIZE; at += 128) {
    let query = at / HEAD_SIZE;
    let d = at % HEAD_SIZE;
    let toRow = firstRow + query / GROUP;
    let queryHead = head * GROUP + query % GROUP;
    let sum = scores[query * STRIDE + d];
    if (sizes.splits == 1) {
      attended[(toRow * HEADS + queryHead) * HEAD_SIZE + d] = f16(sum / totals[query]);
    } else {
      let to = ((group.z * sizes.rows + toRow) * HEADS + queryHead) * (HEAD_SIZE + 2);
      parts[to + d] = sum;
      if (d == 0) {
        parts[to + HEAD_SIZE] = largest[query];
        parts[to + HEAD_SIZE + 1] = totals[query];
      }
    }
  }
}
