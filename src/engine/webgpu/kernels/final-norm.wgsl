// RMS norm (arXiv 1910.07467) of the verdicts' rows: residual[row] / sqrt(mean(residual[row]^2) + epsilon) * weight, in the
// element type for the vocabulary head and in float32 for the vectors. The layers' norms are in their products.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> normed: array<E>;
@group(0) @binding(5) var<storage, read_write> states: array<f32>;

const THREADS = 128u;
// what a thread holds of a row: all loads are under way before the first is waited for
const ITEMS = (HIDDEN + THREADS - 1) / THREADS;

var<workgroup> sums: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = tables[sizes.verdictTable + group.x * VERDICT_WORDS];
  var values: array<f32, ITEMS>;
  var weights: array<f32, ITEMS>;
  for (var i = 0u; i < ITEMS; i++) {
    let at = thread + i * THREADS;
    if (at < HIDDEN) {
      values[i] = residual[row * HIDDEN + at];
      weights[i] = weight[at];
    } else {
      values[i] = 0.0;
    }
  }
  var sum = 0.0;
  for (var i = 0u; i < ITEMS; i++) {
    sum += values[i] * values[i];
  }
  sums[thread] = sum;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (thread < half) {
      sums[thread] += sums[thread + half];
    }
    workgroupBarrier();
  }
  let scale = inverseSqrt(sums[0] / f32(HIDDEN) + EPSILON);
  for (var i = 0u; i < ITEMS; i++) {
    let at = thread + i * THREADS;
    if (at < HIDDEN) {
      let value = values[i] * scale * weights[i];
      normed[group.x * HIDDEN + at] = E(value);
      states[group.x * HIDDEN + at] = value;
    }
  }
}
