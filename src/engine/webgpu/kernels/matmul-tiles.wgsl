// Product for many rows on devices without subgroup matrices: 64 x 64 tiles in workgroup memory, 4 x 4 results a thread.
const TILE = 64u;
const DEPTH = 16u;
const STRIDE = DEPTH + 1;

var<workgroup> left: array<f32, TILE * STRIDE>;
var<workgroup> right: array<f32, TILE * STRIDE>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  if (isBeside(group.y, TILE)) {
    beside(group.y, group.x, (N + TILE - 1) / TILE, TILE, thread, 256);
    return;
  }
  let firstRow = group.y * TILE;
  let firstColumn = group.x * TILE;
  let atRow = thread / 16 * 4;
  let atColumn = thread % 16 * 4;
  // thread loads four neighbouring elements of one row of each tile
  let loadRow = thread / 4;
  let loadDepth = thread % 4;
  let weightRow = min(firstColumn + loadRow, N - 1);
  var sums: array<array<f32, 4>, 4>;
  var squares = 0.0;
  for (var k = 0u; k < K; k += DEPTH) {
    let fromLeft = vec4<f32>(x[(firstRow + loadRow) * (K / 4) + k / 4 + loadDepth]);
    let fromRight = vec4<f32>(w[weightRow * (K / 4) + k / 4 + loadDepth]);
    for (var i = 0u; i < 4; i++) {
      left[loadRow * STRIDE + loadDepth * 4 + i] = fromLeft[i];
      right[loadRow * STRIDE + loadDepth * 4 + i] = fromRight[i];
    }
    squares += dot(fromLeft, fromLeft);
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      for (var i = 0u; i < 4; i++) {
        let a = left[(atRow + i) * STRIDE + d];
        for (var j = 0u; j < 4; j++) {
          sums[i][j] += a * right[(atColumn + j) * STRIDE + d];
        }
      }
    }
    workgroupBarrier();
  }
  if (NORMED) {
    left[loadRow * STRIDE + loadDepth] = squares;
    workgroupBarrier();
  }
  for (var i = 0u; i < 4; i++) {
    var scale = 1.0;
    if (NORMED) {
      let row = (atRow + i) * STRIDE;
      scale = normOf(left[row] + left[row + 1] + left[row + 2] + left[row + 3]);
    }
    for (var j = 0u; j < 4; j += 2) {
      finishPair(
        firstRow + atRow + i,
        firstColumn + atColumn + j,
        sums[i][j] * scale,
        sums[i][j + 1] * scale,
      );
    }
  }
}
