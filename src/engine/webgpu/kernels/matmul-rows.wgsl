// Product for few rows: 32 threads share a column's dot products and read its weights once for ROWS rows.
const LANES = 32u;
const COLUMNS = 8u;

var<workgroup> partial: array<f32, ROWS * COLUMNS * (LANES + 1)>;
var<workgroup> results: array<f32, ROWS * COLUMNS>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let local = thread / LANES;
  let column = min(group.x * COLUMNS + local, N - 1);
  var sums: array<f32, ROWS>;
  for (var k = lane; k < K / 4; k += LANES) {
    let weights = vec4<f32>(w[column * (K / 4) + k]);
    for (var r = 0u; r < ROWS; r++) {
      sums[r] += dot(weights, vec4<f32>(x[r * (K / 4) + k]));
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    partial[(r * COLUMNS + local) * (LANES + 1) + lane] = sums[r];
  }
  workgroupBarrier();
  for (var at = thread; at < ROWS * COLUMNS; at += 256) {
    var sum = 0.0;
    for (var i = 0u; i < LANES; i++) {
      sum += partial[at * (LANES + 1) + i];
    }
    if (EPILOGUE == 2) {
      results[at] = sum;
    } else {
      finish(at / COLUMNS, group.x * COLUMNS + at % COLUMNS, sum);
    }
  }
  if (EPILOGUE == 2) {
    workgroupBarrier();
    for (var at = thread; at < ROWS * COLUMNS / 2; at += 256) {
      finishPair(at * 2 / COLUMNS, group.x * COLUMNS + at * 2 % COLUMNS, results[at * 2], results[at * 2 + 1]);
    }
  }
}
