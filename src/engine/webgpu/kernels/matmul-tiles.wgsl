// Product for many rows on devices without subgroup matrices: 64 x 64 tiles in workgroup memory, 4 x 4 results a thread.
const TILE = 64u;
const DEPTH = 16u;

var<workgroup> left: array<f32, TILE * (DEPTH + 1)>;
var<workgroup> right: array<f32, TILE * (DEPTH + 1)>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let firstRow = group.y * TILE;
  let firstColumn = group.x * TILE;
  let atRow = thread / 16 * 4;
  let atColumn = thread % 16 * 4;
  // thread loads four neighbouring elements of one row of each tile
  let loadRow = thread / 4;
  let loadDepth = thread % 4;
  let weightRow = min(firstColumn + loadRow, N - 1);
  var sums: array<array<f32, 4>, 4>;
  for (var k = 0u; k < K; k += DEPTH) {
    let fromLeft = vec4<f32>(x[(firstRow + loadRow) * (K / 4) + k / 4 + loadDepth]);
    let fromRight = vec4<f32>(w[weightRow * (K / 4) + k / 4 + loadDepth]);
    for (var i = 0u; i < 4; i++) {
      left[loadRow * (DEPTH + 1) + loadDepth * 4 + i] = fromLeft[i];
      right[loadRow * (DEPTH + 1) + loadDepth * 4 + i] = fromRight[i];
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      for (var i = 0u; i < 4; i++) {
        let a = left[(atRow + i) * (DEPTH + 1) + d];
        for (var j = 0u; j < 4; j++) {
          sums[i][j] += a * right[(atColumn + j) * (DEPTH + 1) + d];
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4; i++) {
    for (var j = 0u; j < 4; j++) {
      if (EPILOGUE != 2) {
        finish(firstRow + atRow + i, firstColumn + atColumn + j, sums[i][j]);
      } else if (j % 2 == 0) {
        finishPair(firstRow + atRow + i, firstColumn + atColumn + j, sums[i][j], sums[i][j + 1]);
      }
    }
  }
}
