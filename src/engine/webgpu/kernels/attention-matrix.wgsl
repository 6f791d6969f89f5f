// Attention of a tile with subgroup matrices (tensor cores): the same tables, inputs and outputs as attention.wgsl, but a
// workgroup takes only SPAN columns. It looks at them in chunks of 64: scores pass through its memory into registers, so
// softmax needs no second look, and the weights come back the same way, chunk by chunk. A sequence's own rows begin at the
// next multiple of 16 columns, so that a matrix of 16 columns lies wholly in the cache or wholly among the new rows; what
// lies between is hidden. Keys and values go from there to the matrices: each is needed once, and the less memory a
// workgroup takes, the more of them share a core (H200: half the time of bringing them into the workgroup's memory first).
// Inputs hold float16 numbers, eight in a vec4<u32>: loads of single numbers take many times as long.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> queries: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> fresh: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> cache: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> attended: array<f16>;
@group(0) @binding(6) var<storage, read_write> parts: array<f32>;

const GROUP = HEADS / KV_HEADS;
const THREADS = 128u;
const CHUNK = 64u;
const SPAN = COLUMNS;
// matrices of 16 elements
const MATRICES = HEAD_SIZE / 16;
// in vectors of eight
const SIZE = HEAD_SIZE / 8;
const ROW = 2 * KV_HEADS * SIZE;
// from one row of scores or of weights to the next, in words: 4 more spread rows over memory banks
const STRIDE = max(CHUNK, HEAD_SIZE) + 4;
const WEIGHT_STRIDE = CHUNK / 2 + 4;
// threads of a query, and scores of a chunk that each of them looks after
const SHARES = THREADS / QUERIES;
const SCORES = CHUNK / SHARES;
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

// scores of a chunk, then its weights, two a word; at the end the sums over the values
var<workgroup> memory: array<u32, QUERIES * STRIDE>;
var<workgroup> largest: array<f32, QUERIES>;
var<workgroup> totals: array<f32, QUERIES>;

// Where the head's keys stand, in vectors of eight: in the cache, and from column `own` on among the new rows.
struct Columns {
  cache: u32,
  fresh: u32,
  own: u32,
}

// Elements 16 * d .. 16 * d + 15 of 16 keys; of smaller heads the last ones.
fn cachedKey(at: Columns, column: u32, d: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&cache, at.cache + column * ROW + min(d, MATRICES - 1) * 32, 2);
}

fn freshKey(at: Columns, column: u32, d: u32) -> Right {
  let row = at.fresh + (column - at.own) * ROW;
  return subgroupMatrixLoad<Right, col_major>(&fresh, row + min(d, MATRICES - 1) * 2, ROW);
}

// The same of 16 values.
fn cachedValue(at: Columns, column: u32, d: u32) -> Right {
  let part = KV_HEADS * MATRICES + d;
  return subgroupMatrixLoad<Right, row_major>(&cache, at.cache + column * ROW + part * 32, 2);
}

fn freshValue(at: Columns, column: u32, d: u32) -> Right {
  let part = KV_HEADS * MATRICES + d;
  return subgroupMatrixLoad<Right, row_major>(&fresh, at.fresh + (column - at.own) * ROW + part * 2, ROW);
}

fn query(start: u32, d: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&queries, start + min(d, MATRICES - 1) * 2, SIZE);
}

// Scores of 16 columns from the elements that lie behind the first 64.
fn scoresBehind(at: Columns, column: u32, start: u32, first: Sums) -> Sums {
  var sum = first;
  for (var d = 4u; d < MATRICES; d++) {
    if (column < at.own) {
      sum = subgroupMatrixMultiplyAccumulate(query(start, d), cachedKey(at, column, d), sum);
    } else {
      sum = subgroupMatrixMultiplyAccumulate(query(start, d), freshKey(at, column, d), sum);
    }
  }
  return sum;
}

// Weights c .. c + 15 of the chunk in memory.
fn weight(c: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&memory, c / 2, WEIGHT_STRIDE);
}

// Adds a chunk's weighted values, of 16 elements; columns past the last one have no values.
fn addValues(at: Columns, first: u32, columns: u32, d: u32, before: Sums) -> Sums {
  var sum = before;
  if (first + CHUNK <= at.own) {
    // nearly always: four loads on their way together
    let value0 = cachedValue(at, first, d);
    let value1 = cachedValue(at, first + 16, d);
    let value2 = cachedValue(at, first + 32, d);
    let value3 = cachedValue(at, first + 48, d);
    sum = subgroupMatrixMultiplyAccumulate(weight(0), value0, sum);
    sum = subgroupMatrixMultiplyAccumulate(weight(16), value1, sum);
    sum = subgroupMatrixMultiplyAccumulate(weight(32), value2, sum);
    return subgroupMatrixMultiplyAccumulate(weight(48), value3, sum);
  }
  for (var c = 0u; c < CHUNK && first + c < columns; c += 16) {
    if (first + c < at.own) {
      sum = subgroupMatrixMultiplyAccumulate(weight(c), cachedValue(at, first + c, d), sum);
    } else {
      sum = subgroupMatrixMultiplyAccumulate(weight(c), freshValue(at, first + c, d), sum);
    }
  }
  return sum;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wave = thread / 32;
  let head = group.y;
  let tile = sizes.tileTable + group.x * TILE_WORDS;
  let firstRow = tables[tile];
  let rows = tables[tile + 1];
  let cached = tables[tile + 3];
  let treeRow = tables[tile + 4];
  let causal = tables[tile + 6] == 1;
  let own = (cached + 15) / 16 * 16;
  let columns = own + tables[tile + 5];
  let begin = group.z * SPAN;
  let at = Columns(
    tables[tile + 2] * sizes.capacity * ROW + head * SIZE * 16,
    ((sizes.current + treeRow) * 2 * KV_HEADS + head) * SIZE,
    own,
  );
  let start = (head * sizes.rows + firstRow) * GROUP * SIZE;
  // every chunk needs them: a name for each, since matrices of an array lie in memory; of larger heads the first 64 elements
  let query0 = query(start, 0);
  let query1 = query(start, 1);
  let query2 = query(start, 2);
  let query3 = query(start, 3);

  let m = thread / SHARES;
  let share = thread % SHARES;
  let row = firstRow + min(m / GROUP, rows - 1);
  let mask = sizes.maskTable + row * sizes.maskWords;
  var scores: array<f32, SPAN / SHARES>;
  var top = -1e30;
  for (var chunk = 0u; chunk < SPAN / CHUNK; chunk++) {
    // each subgroup takes 16 columns
    let column = begin + chunk * CHUNK + wave * 16;
    var sum = Sums();
    if (column < columns) {
      // all loads are on their way before the first product
      var key0: Right;
      var key1: Right;
      var key2: Right;
      var key3: Right;
      if (column < own) {
        key0 = cachedKey(at, column, 0);
        key1 = cachedKey(at, column, 1);
        key2 = cachedKey(at, column, 2);
        key3 = cachedKey(at, column, 3);
      } else {
        key0 = freshKey(at, column, 0);
        key1 = freshKey(at, column, 1);
        key2 = freshKey(at, column, 2);
        key3 = freshKey(at, column, 3);
      }
      sum = subgroupMatrixMultiplyAccumulate(query0, key0, sum);
      if (MATRICES > 1) {
        sum = subgroupMatrixMultiplyAccumulate(query1, key1, sum);
      }
      if (MATRICES > 2) {
        sum = subgroupMatrixMultiplyAccumulate(query2, key2, sum);
      }
      if (MATRICES > 3) {
        sum = subgroupMatrixMultiplyAccumulate(query3, key3, sum);
      }
      if (MATRICES > 4) {
        sum = scoresBehind(at, column, start, sum);
      }
    }
    if (chunk > 0) {
      workgroupBarrier();
    }
    subgroupMatrixStore<row_major>(&memory, wave * 16, sum, STRIDE);
    workgroupBarrier();
    for (var i = 0u; i < SCORES; i++) {
      // pairs of neighbours, which become one word of weights
      let c = share * 2 + i / 2 * SHARES * 2 + i % 2;
      let column = begin + chunk * CHUNK + c;
      var seen = column < cached;
      if (column >= own && column < columns) {
        let other = column - own;
        if (causal) {
          seen = other <= row - treeRow;
        } else {
          seen = ((tables[mask + other / 32] >> (other % 32)) & 1) == 1;
        }
      }
      let score = select(-1e30, bitcast<f32>(memory[m * STRIDE + c]) * SCALE, seen);
      scores[chunk * SCORES + i] = score;
      top = max(top, score);
    }
  }
  // the threads of a query stand side by side in a subgroup
  for (var lane = 1u; lane < SHARES; lane *= 2) {
    top = max(top, subgroupShuffleXor(top, lane));
  }

  // each subgroup takes 16 elements of the values, and 64 further on of larger heads
  var total = 0.0;
  var low = Sums();
  var high = Sums();
  for (var chunk = 0u; chunk < SPAN / CHUNK; chunk++) {
    workgroupBarrier();
    for (var i = 0u; i < SCORES; i += 2) {
      let pair = vec2f(scores[chunk * SCORES + i], scores[chunk * SCORES + i + 1]);
      // a row that sees none of these columns must not count the hidden ones
      let packed = pack2x16float(select(exp(pair - top), vec2f(), pair < vec2f(-1e29)));
      memory[m * WEIGHT_STRIDE + share + i / 2 * SHARES] = packed;
      total += dot(unpack2x16float(packed), vec2f(1));
    }
    workgroupBarrier();
    let first = begin + chunk * CHUNK;
    if (wave < MATRICES) {
      low = addValues(at, first, columns, wave, low);
    }
    if (wave + 4 < MATRICES) {
      high = addValues(at, first, columns, wave + 4, high);
    }
  }
  for (var lane = 1u; lane < SHARES; lane *= 2) {
    total += subgroupShuffleXor(total, lane);
  }
  if (share == 0) {
    largest[m] = top;
    totals[m] = total;
  }
  workgroupBarrier();
  if (wave < MATRICES) {
    subgroupMatrixStore<row_major>(&memory, wave * 16, low, STRIDE);
  }
  if (wave + 4 < MATRICES) {
    subgroupMatrixStore<row_major>(&memory, wave * 16 + 64, high, STRIDE);
  }
  workgroupBarrier();

  for (var place = thread; place < min(rows * GROUP, QUERIES) * HEAD_SIZE; place += THREADS) {
    let m = place / HEAD_SIZE;
    let d = place % HEAD_SIZE;
    let toRow = firstRow + m / GROUP;
    let queryHead = head * GROUP + m % GROUP;
    let sum = bitcast<f32>(memory[m * STRIDE + d]);
    if (sizes.splits == 1) {
      attended[(toRow * HEADS + queryHead) * HEAD_SIZE + d] = f16(sum / totals[m]);
    } else {
      let to = ((group.z * sizes.rows + toRow) * HEADS + queryHead) * (HEAD_SIZE + 2);
      parts[to + d] = sum;
      if (d == 0) {
        parts[to + HEAD_SIZE] = largest[m];
        parts[to + HEAD_SIZE + 1] = totals[m];
      }
    }
  }
}
