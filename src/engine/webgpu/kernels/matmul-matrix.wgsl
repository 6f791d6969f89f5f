// Product for many rows with subgroup matrices (tensor cores). A workgroup computes TILE x TILE results: it brings that
// many rows of x and of w into its memory, DEPTH eights of numbers at a time, with two such pieces on their way while it
// multiplies the one before (a third faster than with one). Its subgroups lie side by side, 32 x 32 results each, and WAVES_K of
// them share a place and divide the depth, so that small products still fill the GPU. x and w hold float16 numbers, eight in a
// vec4<u32>.
//
// Two rules of NVIDIA's compiler decide the speed (H200): matrices in an array end up in memory, so each has a name of its
// own (twice as fast); and a core has 50 KB for the memory of all workgroups on it, so results pass through the tiles' place.
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

const WAVE = 32u;
const PLACES = (TILE / WAVE) * (TILE / WAVE);
const THREADS = PLACES * WAVES_K * 32;
// from one row of a tile to the next, in eights: an odd number spreads rows over memory banks
const STRIDE = DEPTH + 1;
// eights of each tile that a thread brings
const LOADS = TILE * DEPTH / THREADS;
// matrices that a subgroup takes of DEPTH
const STEPS = DEPTH / 2 / WAVES_K;
// results pass 16 rows of each subgroup at a time, four numbers in a vec4<u32>
const RESULT_STRIDE = WAVE / 4 + 1;

var<workgroup> memory: array<vec4<u32>, max(2 * TILE * STRIDE, PLACES * WAVES_K * 16 * RESULT_STRIDE)>;
// what a row of results is multiplied by
var<workgroup> scales: array<f32, TILE>;

fn number(at: u32) -> f32 {
  return bitcast<f32>(memory[at / 4][at % 4]);
}

// Hands on the results that lie in memory: of each place the 16 rows that begin at `first`.
fn finishRows(first: u32, group: vec3u, thread: u32) {
  // neighbouring threads finish neighbouring pairs of columns
  for (var at = thread; at < PLACES * 8 * WAVE; at += THREADS) {
    let place = at / (8 * WAVE);
    let r = at / (WAVE / 2) % 16;
    let c = at % (WAVE / 2) * 2;
    var left = 0.0;
    var right = 0.0;
    for (var part = 0u; part < WAVES_K; part++) {
      let source = ((place + part * PLACES) * 16 + r) * RESULT_STRIDE * 4 + c;
      left += number(source);
      right += number(source + 1);
    }
    let row = place / (TILE / WAVE) * WAVE + first + r;
    let column = group.x * TILE + place % (TILE / WAVE) * WAVE + c;
    if (NORMED) {
      left *= scales[row];
      right *= scales[row];
    }
    finishPair(group.y * TILE + row, column, left, right);
  }
}

// What a thread brings of a piece.
struct Piece {
  x: array<vec4<u32>, LOADS>,
  w: array<vec4<u32>, LOADS>,
}

fn bring(group: vec3u, k: u32, thread: u32) -> Piece {
  var piece: Piece;
  for (var i = 0u; i < LOADS; i++) {
    let at = thread + i * THREADS;
    piece.x[i] = x[(group.y * TILE + at / DEPTH) * (K / 8) + k + at % DEPTH];
    piece.w[i] = w[(group.x * TILE + at / DEPTH) * (K / 8) + k + at % DEPTH];
  }
  return piece;
}

// Puts a piece into the tiles, which nobody may be reading.
fn put(piece: Piece, thread: u32) {
  for (var i = 0u; i < LOADS; i++) {
    let at = thread + i * THREADS;
    memory[at / DEPTH * STRIDE + at % DEPTH] = piece.x[i];
    memory[(TILE + at / DEPTH) * STRIDE + at % DEPTH] = piece.w[i];
  }
}

// The squares of each eight of x, added to those of the pieces before.
fn addSquares(piece: Piece, before: array<f32, LOADS>) -> array<f32, LOADS> {
  var squares = before;
  if (NORMED) {
    for (var i = 0u; i < LOADS; i++) {
      for (var j = 0u; j < 4; j++) {
        let pair = unpack2x16float(piece.x[i][j]);
        squares[i] += dot(pair, pair);
      }
    }
  }
  return squares;
}

// A subgroup's results.
struct Results {
  sum00: Sums,
  sum01: Sums,
  sum10: Sums,
  sum11: Sums,
}

// Adds what the tiles hold: rows of x from `row` on, rows of w from `column` on.
fn multiply(row: u32, column: u32, results: ptr<function, Results>) {
  for (var d = 0u; d < STEPS * 2; d += 2) {
    let left0 = subgroupMatrixLoad<Left, row_major>(&memory, row + d, STRIDE);
    let right0 = subgroupMatrixLoad<Right, col_major>(&memory, column + d, STRIDE);
    (*results).sum00 = subgroupMatrixMultiplyAccumulate(left0, right0, (*results).sum00);
    let right1 = subgroupMatrixLoad<Right, col_major>(&memory, column + 16 * STRIDE + d, STRIDE);
    (*results).sum01 = subgroupMatrixMultiplyAccumulate(left0, right1, (*results).sum01);
    let left1 = subgroupMatrixLoad<Left, row_major>(&memory, row + 16 * STRIDE + d, STRIDE);
    (*results).sum10 = subgroupMatrixMultiplyAccumulate(left1, right0, (*results).sum10);
    (*results).sum11 = subgroupMatrixMultiplyAccumulate(left1, right1, (*results).sum11);
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  if (isBeside(group.y, TILE)) {
    beside(group.y, group.x, (N + TILE - 1) / TILE, TILE, thread, THREADS);
    return;
  }
  let wave = thread / 32;
  let place = wave % PLACES;
  let depth = wave / PLACES * STEPS * 2;
  let row = place / (TILE / WAVE) * WAVE * STRIDE + depth;
  let column = (TILE + place % (TILE / WAVE) * WAVE) * STRIDE + depth;
  var results: Results;
  var squares: array<f32, LOADS>;
  // two pieces on their way, which take turns: in one variable each, since an index would bring them into memory
  var even = bring(group, 0, thread);
  var odd: Piece;
  if (DEPTH < K / 8) {
    odd = bring(group, DEPTH, thread);
  }
  for (var k = 0u; k < K / 8; k += 2 * DEPTH) {
    workgroupBarrier();
    put(even, thread);
    squares = addSquares(even, squares);
    workgroupBarrier();
    if (k + 2 * DEPTH < K / 8) {
      even = bring(group, k + 2 * DEPTH, thread);
    }
    multiply(row, column, &results);
    if (k + DEPTH < K / 8) {
      workgroupBarrier();
      put(odd, thread);
      squares = addSquares(odd, squares);
      workgroupBarrier();
      if (k + 3 * DEPTH < K / 8) {
        odd = bring(group, k + 3 * DEPTH, thread);
      }
      multiply(row, column, &results);
    }
  }
  workgroupBarrier();
  if (NORMED) {
    // as what a thread brought lies in the tile of x
    for (var i = 0u; i < LOADS; i++) {
      let at = thread + i * THREADS;
      memory[at / DEPTH * STRIDE + at % DEPTH].x = bitcast<u32>(squares[i]);
    }
    workgroupBarrier();
    for (var r = thread; r < TILE; r += THREADS) {
      var sum = 0.0;
      for (var d = 0u; d < DEPTH; d++) {
        sum += number((r * STRIDE + d) * 4);
      }
      scales[r] = normOf(sum);
    }
    workgroupBarrier();
  }
  let to = wave * 16 * RESULT_STRIDE;
  subgroupMatrixStore<row_major>(&memory, to, results.sum00, RESULT_STRIDE);
  subgroupMatrixStore<row_major>(&memory, to + 4, results.sum01, RESULT_STRIDE);
  workgroupBarrier();
  finishRows(0, group, thread);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&memory, to, results.sum10, RESULT_STRIDE);
  subgroupMatrixStore<row_major>(&memory, to + 4, results.sum11, RESULT_STRIDE);
  workgroupBarrier();
  finishRows(16, group, thread);
}
