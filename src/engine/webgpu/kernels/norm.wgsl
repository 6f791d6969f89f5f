// RMS norm (arXiv 1910.07467): normed[row] = residual[row] / sqrt(mean(residual[row]^2) + epsilon) * weight.
// With SELECT the rows are those of the verdicts, and the result is also kept in float32.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> normed: array<E>;
@group(0) @binding(5) var<storage, read_write> states: array<f32>;

var<workgroup> sums: array<f32, 128>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  var row = group.x;
  if (SELECT) {
    row = tables[sizes.verdictTable + group.x * VERDICT_WORDS];
  }
  var sum = 0.0;
  for (var i = thread; i < HIDDEN; i += 128) {
    let value = residual[row * HIDDEN + i];
    sum += value * value;
  }
  sums[thread] = sum;
  workgroupBarrier();
  for (var half = 64u; half > 0; half /= 2) {
    if (thread < half) {
      sums[thread] += sums[thread + half];
    }
    workgroupBarrier();
  }
  let scale = inverseSqrt(sums[0] / f32(HIDDEN) + EPSILON);
  for (var i = thread; i < HIDDEN; i += 128) {
    let value = residual[row * HIDDEN + i] * scale * weight[i];
    normed[group.x * HIDDEN + i] = E(value);
    if (SELECT) {
      states[group.x * HIDDEN + i] = value;
    }
  }
}
