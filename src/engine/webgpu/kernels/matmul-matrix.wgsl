// Product for many rows with subgroup matrices (tensor cores). A workgroup computes TILE x TILE results: it brings that
// many rows of x and of w into its memory, DEPTH eights of numbers at a time, while it multiplies the ones before. Its
// subgroups lie side by side, WAVE x WAVE results each (16 or 32), and WAVES_K of them share a place and divide the depth, so that
// small products still fill the GPU. x and w hold float16 numbers, eight in a vec4<u32>.
//
// Two rules of NVIDIA's compiler decide the speed (H200): matrices in an array end up in memory, so each has a name of its
// own (twice as fast); and a core has 50 KB for the memory of all workgroups on it, so results pass through the tiles' place.
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

const PLACES = (TILE / WAVE) * (TILE / WAVE);
const THREADS = PLACES * WAVES_K * 32;
// from one row of a tile to the next, in eights: an odd number spreads rows over memory banks
const STRIDE = DEPTH + 1;
const LOADS_X = TILE * DEPTH / THREADS;
const LOADS_W = TILE * DEPTH / THREADS;
// matrices that a subgroup takes of DEPTH
const STEPS = DEPTH / 2 / WAVES_K;
// results pass 16 rows of each subgroup at a time, four numbers in a vec4<u32>
const RESULT_STRIDE = WAVE / 4 + 1;

var<workgroup> memory: array<vec4<u32>, max(2 * TILE * STRIDE, PLACES * WAVES_K * 16 * RESULT_STRIDE)>;

fn result(at: u32) -> f32 {
  return bitcast<f32>(memory[at / 4][at % 4]);
}

// Hands on the results that lie in memory: of each place the 16 rows that begin at `first`.
fn finishRows(first: u32, group: vec3u, thread: u32) {
  // neighbouring threads finish neighbouring pairs of columns
  for (var at = thread; at < PLACES * 8 * WAVE; at += THREADS) {
    let place = at / (8 * WAVE);
    let r = at / (WAVE / 2) % 16;
    let c = at % (WAVE / 2) * 2;
    var gate = 0.0;
    var up = 0.0;
    for (var part = 0u; part < WAVES_K; part++) {
      let source = ((place + part * PLACES) * 16 + r) * RESULT_STRIDE * 4 + c;
      gate += result(source);
      up += result(source + 1);
    }
    let row = group.y * TILE + place / (TILE / WAVE) * WAVE + first + r;
    let column = group.x * TILE + place % (TILE / WAVE) * WAVE + c;
    if (EPILOGUE == 2) {
      finishPair(row, column, gate, up);
    } else {
      finish(row, column, gate);
      finish(row, column + 1, up);
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wave = thread / 32;
  let place = wave % PLACES;
  let row = place / (TILE / WAVE) * WAVE * STRIDE;
  let column = (TILE + place % (TILE / WAVE) * WAVE) * STRIDE;
  let depth = wave / PLACES * STEPS * 2;
  var nextX: array<vec4<u32>, LOADS_X>;
  var nextW: array<vec4<u32>, LOADS_W>;
  var sum00 = Sums();
  var sum01 = Sums();
  var sum10 = Sums();
  var sum11 = Sums();
  for (var i = 0u; i < LOADS_X; i++) {
    let at = thread + i * THREADS;
    nextX[i] = x[(group.y * TILE + at / DEPTH) * (K / 8) + at % DEPTH];
  }
  for (var i = 0u; i < LOADS_W; i++) {
    let at = thread + i * THREADS;
    nextW[i] = w[(group.x * TILE + at / DEPTH) * (K / 8) + at % DEPTH];
  }
  for (var k = 0u; k < K / 8; k += DEPTH) {
    workgroupBarrier();
    for (var i = 0u; i < LOADS_X; i++) {
      let at = thread + i * THREADS;
      memory[at / DEPTH * STRIDE + at % DEPTH] = nextX[i];
    }
    for (var i = 0u; i < LOADS_W; i++) {
      let at = thread + i * THREADS;
      memory[(TILE + at / DEPTH) * STRIDE + at % DEPTH] = nextW[i];
    }
    workgroupBarrier();
    if (k + DEPTH < K / 8) {
      for (var i = 0u; i < LOADS_X; i++) {
        let at = thread + i * THREADS;
        nextX[i] = x[(group.y * TILE + at / DEPTH) * (K / 8) + k + DEPTH + at % DEPTH];
      }
      for (var i = 0u; i < LOADS_W; i++) {
        let at = thread + i * THREADS;
        nextW[i] = w[(group.x * TILE + at / DEPTH) * (K / 8) + k + DEPTH + at % DEPTH];
      }
    }
    for (var d = 0u; d < STEPS * 2; d += 2) {
      let left0 = subgroupMatrixLoad<Left, row_major>(&memory, row + depth + d, STRIDE);
      let right0 = subgroupMatrixLoad<Right, col_major>(&memory, column + depth + d, STRIDE);
      sum00 = subgroupMatrixMultiplyAccumulate(left0, right0, sum00);
      if (WAVE > 16) {
        let right1 = subgroupMatrixLoad<Right, col_major>(&memory, column + 16 * STRIDE + depth + d, STRIDE);
        sum01 = subgroupMatrixMultiplyAccumulate(left0, right1, sum01);
        let left1 = subgroupMatrixLoad<Left, row_major>(&memory, row + 16 * STRIDE + depth + d, STRIDE);
        sum10 = subgroupMatrixMultiplyAccumulate(left1, right0, sum10);
        sum11 = subgroupMatrixMultiplyAccumulate(left1, right1, sum11);
      }
    }
  }
  workgroupBarrier();
  let to = wave * 16 * RESULT_STRIDE;
  subgroupMatrixStore<row_major>(&memory, to, sum00, RESULT_STRIDE);
  if (WAVE > 16) {
    subgroupMatrixStore<row_major>(&memory, to + 4, sum01, RESULT_STRIDE);
  }
  workgroupBarrier();
  finishRows(0, group, thread);
  if (WAVE > 16) {
    workgroupBarrier();
    subgroupMatrixStore<row_major>(&memory, to, sum10, RESULT_STRIDE);
    subgroupMatrixStore<row_major>(&memory, to + 4, sum11, RESULT_STRIDE);
    workgroupBarrier();
    finishRows(16, group, thread);
  }
}
