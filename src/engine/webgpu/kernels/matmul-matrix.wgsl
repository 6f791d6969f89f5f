// Product for many rows with subgroup matrices (tensor cores). Each subgroup computes BLOCKS_M x BLOCKS_N matrices of
// 16 x 16 results: the more, the fewer loads a result takes. WAVES_M x WAVES_N subgroups lie side by side in a
// workgroup's tile, and WAVES_K of them share a place and divide the depth, so that small products still fill the GPU.
// x and w hold float16 numbers, eight in a vec4<u32>: loads of single numbers take many times as long
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

const PLACES = WAVES_M * WAVES_N;
const WAVES = PLACES * WAVES_K;
const ROWS = BLOCKS_M * 16;
const COLUMNS = BLOCKS_N * 16;
// results pass through this memory, 16 rows at a time
const STRIDE = COLUMNS + 4;
const SIZE = 16 * STRIDE;

var<workgroup> results: array<f32, WAVES * SIZE>;

@compute @workgroup_size(32 * WAVES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wave = thread / 32;
  let place = wave % PLACES;
  let row = (group.y * WAVES_M + place / WAVES_N) * ROWS;
  let column = (group.x * WAVES_N + place % WAVES_N) * COLUMNS;
  var sums: array<array<Sums, BLOCKS_N>, BLOCKS_M>;
  for (var k = wave / PLACES * 32; k < K; k += WAVES_K * 32) {
    for (var half = k; half < k + 32; half += 16) {
      var left: array<Left, BLOCKS_M>;
      var right: array<Right, BLOCKS_N>;
      for (var m = 0u; m < BLOCKS_M; m++) {
        left[m] = subgroupMatrixLoad<Left, row_major>(&x, ((row + m * 16) * K + half) / 8, K / 8);
      }
      for (var n = 0u; n < BLOCKS_N; n++) {
        right[n] = subgroupMatrixLoad<Right, col_major>(&w, ((column + n * 16) * K + half) / 8, K / 8);
      }
      for (var m = 0u; m < BLOCKS_M; m++) {
        for (var n = 0u; n < BLOCKS_N; n++) {
          sums[m][n] = subgroupMatrixMultiplyAccumulate(left[m], right[n], sums[m][n]);
        }
      }
    }
  }
  for (var m = 0u; m < BLOCKS_M; m++) {
    for (var n = 0u; n < BLOCKS_N; n++) {
      subgroupMatrixStore<row_major>(&results, wave * SIZE + n * 16, sums[m][n], STRIDE);
    }
    workgroupBarrier();
    // neighbouring threads finish neighbouring pairs of columns
    for (var at = thread; at < PLACES * 8 * COLUMNS; at += 32 * WAVES) {
      let to = at / (8 * COLUMNS);
      let r = at / (COLUMNS / 2) % 16;
      let c = at % (COLUMNS / 2) * 2;
      var first = 0.0;
      var second = 0.0;
      for (var part = 0u; part < WAVES_K; part++) {
        let source = (to + part * PLACES) * SIZE + r * STRIDE + c;
        first += results[source];
        second += results[source + 1];
      }
      let toRow = (group.y * WAVES_M + to / WAVES_N) * ROWS + m * 16 + r;
      let toColumn = (group.x * WAVES_N + to % WAVES_N) * COLUMNS + c;
      if (EPILOGUE == 2) {
        finishPair(toRow, toColumn, first, second);
      } else {
        finish(toRow, toColumn, first);
        finish(toRow, toColumn + 1, second);
      }
    }
    workgroupBarrier();
  }
}
