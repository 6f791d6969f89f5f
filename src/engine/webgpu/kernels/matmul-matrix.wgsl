// Product for many rows with subgroup matrices (tensor cores). Each subgroup computes 32 x 32 results as 2 x 2 matrices
// of 16 x 16; WAVES_M x WAVES_N subgroups lie side by side in a workgroup's tile, and WAVES_K of them share a place and
// divide the depth, so that small products still fill the GPU. Two depths are loaded at once: loading is what takes time.
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

const WAVES = WAVES_M * WAVES_N * WAVES_K;
const STRIDE = 36u;
const PLACE = 32u * STRIDE;

var<workgroup> results: array<f32, WAVES * PLACE>;

@compute @workgroup_size(32 * WAVES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wave = thread / 32;
  let place = wave % (WAVES_M * WAVES_N);
  let row = (group.y * WAVES_M + place / WAVES_N) * 32;
  let column = (group.x * WAVES_N + place % WAVES_N) * 32;
  var sum00: Sums;
  var sum01: Sums;
  var sum10: Sums;
  var sum11: Sums;
  for (var k = wave / (WAVES_M * WAVES_N) * 32; k < K; k += WAVES_K * 32) {
    let x0 = row * K + k;
    let x1 = x0 + 16 * K;
    let w0 = column * K + k;
    let w1 = w0 + 16 * K;
    let left0 = subgroupMatrixLoad<Left, row_major>(&x, x0, K);
    let left1 = subgroupMatrixLoad<Left, row_major>(&x, x1, K);
    let right0 = subgroupMatrixLoad<Right, column_major>(&w, w0, K);
    let right1 = subgroupMatrixLoad<Right, column_major>(&w, w1, K);
    let left2 = subgroupMatrixLoad<Left, row_major>(&x, x0 + 16, K);
    let left3 = subgroupMatrixLoad<Left, row_major>(&x, x1 + 16, K);
    let right2 = subgroupMatrixLoad<Right, column_major>(&w, w0 + 16, K);
    let right3 = subgroupMatrixLoad<Right, column_major>(&w, w1 + 16, K);
    sum00 = subgroupMatrixMultiplyAccumulate(left0, right0, sum00);
    sum01 = subgroupMatrixMultiplyAccumulate(left0, right1, sum01);
    sum10 = subgroupMatrixMultiplyAccumulate(left1, right0, sum10);
    sum11 = subgroupMatrixMultiplyAccumulate(left1, right1, sum11);
    sum00 = subgroupMatrixMultiplyAccumulate(left2, right2, sum00);
    sum01 = subgroupMatrixMultiplyAccumulate(left2, right3, sum01);
    sum10 = subgroupMatrixMultiplyAccumulate(left3, right2, sum10);
    sum11 = subgroupMatrixMultiplyAccumulate(left3, right3, sum11);
  }
  let base = wave * PLACE;
  subgroupMatrixStore<row_major>(&results, base, sum00, STRIDE);
  subgroupMatrixStore<row_major>(&results, base + 16, sum01, STRIDE);
  subgroupMatrixStore<row_major>(&results, base + 16 * STRIDE, sum10, STRIDE);
  subgroupMatrixStore<row_major>(&results, base + 16 * STRIDE + 16, sum11, STRIDE);
  workgroupBarrier();
  // neighbouring threads finish neighbouring pairs of columns
  for (var at = thread; at < WAVES_M * WAVES_N * 32 * 16; at += 32 * WAVES) {
    let r = at / 16 % 32;
    let c = at % 16 * 2;
    let start = at / 512 * PLACE + r * STRIDE + c;
    var first = 0.0;
    var second = 0.0;
    for (var part = 0u; part < WAVES_K; part++) {
      first += results[start + part * WAVES_M * WAVES_N * PLACE];
      second += results[start + part * WAVES_M * WAVES_N * PLACE + 1];
    }
    let toRow = (group.y * WAVES_M + at / 512 / WAVES_N) * 32 + r;
    let toColumn = (group.x * WAVES_N + at / 512 % WAVES_N) * 32 + c;
    if (EPILOGUE == 2) {
      finishPair(toRow, toColumn, first, second);
    } else {
      finish(toRow, toColumn, first);
      finish(toRow, toColumn + 1, second);
    }
  }
}
