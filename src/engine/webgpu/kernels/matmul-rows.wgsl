// Product for few rows: 32 threads share a column's dot products and read its weights once for ROWS rows.
const LANES = 32u;
const COLUMNS = 8u;
const STRIDE = LANES + 1;

var<workgroup> partial: array<f32, ROWS * COLUMNS * STRIDE>;
// of each row's squares
var<workgroup> squares: array<f32, ROWS * STRIDE>;

fn sumOf(row: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) {
    sum += partial[(row * COLUMNS + column) * STRIDE + i];
  }
  return sum;
}

fn scaleOf(row: u32) -> f32 {
  if (!NORMED) {
    return 1.0;
  }
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) {
    sum += squares[row * STRIDE + i];
  }
  return normOf(sum);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  if (isBeside(group.y, ROWS)) {
    beside(group.y, group.x, (N + COLUMNS - 1) / COLUMNS, ROWS, thread, 256);
    return;
  }
  let lane = thread % LANES;
  let local = thread / LANES;
  let column = min(group.x * COLUMNS + local, N - 1);
  var sums: array<f32, ROWS>;
  var own: array<f32, ROWS>;
  for (var k = lane; k < K / 4; k += LANES) {
    let weights = vec4<f32>(w[column * (K / 4) + k]);
    for (var r = 0u; r < ROWS; r++) {
      let values = vec4<f32>(x[r * (K / 4) + k]);
      sums[r] += dot(weights, values);
      if (NORMED) {
        own[r] += dot(values, values);
      }
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    partial[(r * COLUMNS + local) * STRIDE + lane] = sums[r];
    if (NORMED && local == 0) {
      squares[r * STRIDE + lane] = own[r];
    }
  }
  workgroupBarrier();
  for (var at = thread; at < ROWS * COLUMNS / 2; at += 256) {
    let row = at * 2 / COLUMNS;
    let first = at * 2 % COLUMNS;
    let scale = scaleOf(row);
    finishPair(row, group.x * COLUMNS + first, sumOf(row, first) * scale, sumOf(row, first + 1) * scale);
  }
}
