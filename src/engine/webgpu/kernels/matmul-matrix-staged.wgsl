// Product for very many rows with subgroup matrices (tensor cores): the workgroup brings a tile of x and of w into its
// memory with wide loads, while it multiplies the tiles before; each subgroup computes 32 x 32 of the 64 x 64 results.
// x and w hold float16 numbers, eight in a vec4<u32>.
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

const TILE = 64u;
// eights of numbers in a row of a tile, and from one row to the next: an odd number spreads rows over memory banks
const DEPTH = 4u;
const STRIDE = DEPTH + 1;
const LOADS = TILE * DEPTH / 128;
const RESULT_STRIDE = 36u;

var<workgroup> tileX: array<vec4<u32>, TILE * STRIDE>;
var<workgroup> tileW: array<vec4<u32>, TILE * STRIDE>;
var<workgroup> results: array<f32, 4 * 16 * RESULT_STRIDE>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wave = thread / 32;
  let row = wave / 2 * 32;
  let column = wave % 2 * 32;
  var nextX: array<vec4<u32>, LOADS>;
  var nextW: array<vec4<u32>, LOADS>;
  var sums: array<array<Sums, 2>, 2>;
  for (var i = 0u; i < LOADS; i++) {
    let at = thread + i * 128;
    nextX[i] = x[(group.y * TILE + at / DEPTH) * (K / 8) + at % DEPTH];
    nextW[i] = w[(group.x * TILE + at / DEPTH) * (K / 8) + at % DEPTH];
  }
  for (var k = 0u; k < K / 8; k += DEPTH) {
    workgroupBarrier();
    for (var i = 0u; i < LOADS; i++) {
      let at = thread + i * 128;
      tileX[at / DEPTH * STRIDE + at % DEPTH] = nextX[i];
      tileW[at / DEPTH * STRIDE + at % DEPTH] = nextW[i];
    }
    workgroupBarrier();
    if (k + DEPTH < K / 8) {
      for (var i = 0u; i < LOADS; i++) {
        let at = thread + i * 128;
        nextX[i] = x[(group.y * TILE + at / DEPTH) * (K / 8) + k + DEPTH + at % DEPTH];
        nextW[i] = w[(group.x * TILE + at / DEPTH) * (K / 8) + k + DEPTH + at % DEPTH];
      }
    }
    for (var d = 0u; d < DEPTH; d += 2) {
      var left: array<Left, 2>;
      var right: array<Right, 2>;
      for (var m = 0u; m < 2; m++) {
        left[m] = subgroupMatrixLoad<Left, row_major>(&tileX, (row + m * 16) * STRIDE + d, STRIDE);
      }
      for (var n = 0u; n < 2; n++) {
        right[n] = subgroupMatrixLoad<Right, col_major>(&tileW, (column + n * 16) * STRIDE + d, STRIDE);
      }
      for (var m = 0u; m < 2; m++) {
        for (var n = 0u; n < 2; n++) {
          sums[m][n] = subgroupMatrixMultiplyAccumulate(left[m], right[n], sums[m][n]);
        }
      }
    }
  }
  for (var m = 0u; m < 2; m++) {
    for (var n = 0u; n < 2; n++) {
      subgroupMatrixStore<row_major>(&results, wave * 16 * RESULT_STRIDE + n * 16, sums[m][n], RESULT_STRIDE);
    }
    workgroupBarrier();
    // neighbouring threads finish neighbouring pairs of columns
    for (var at = thread; at < 4 * 16 * 16; at += 128) {
      let source = at / 256;
      let r = at / 16 % 16;
      let c = at % 16 * 2;
      let first = results[(source * 16 + r) * RESULT_STRIDE + c];
      let second = results[(source * 16 + r) * RESULT_STRIDE + c + 1];
      let toRow = group.y * TILE + source / 2 * 32 + m * 16 + r;
      let toColumn = group.x * TILE + source % 2 * 32 + c;
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
