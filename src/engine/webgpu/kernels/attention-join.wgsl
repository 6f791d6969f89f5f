// Joins the parts that attention.wgsl left: one workgroup a row and head.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> attended: array<E>;

const PART = HEAD_SIZE + 2;
// parts whose loads are under way together
const TOGETHER = 4u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = group.x * HEADS + group.y;
  let step = sizes.rows * HEADS;
  let last = sizes.splits - 1;
  var largest = -1e30;
  for (var s = 0u; s < sizes.splits; s += TOGETHER) {
    for (var i = 0u; i < TOGETHER; i++) {
      // the last part again changes nothing
      largest = max(largest, parts[(min(s + i, last) * step + at) * PART + HEAD_SIZE]);
    }
  }
  for (var d = thread; d < HEAD_SIZE; d += 64) {
    var sum = 0.0;
    var total = 0.0;
    for (var s = 0u; s < sizes.splits; s += TOGETHER) {
      var values: array<f32, TOGETHER>;
      var tops: array<f32, TOGETHER>;
      var totals: array<f32, TOGETHER>;
      for (var i = 0u; i < TOGETHER; i++) {
        let source = (min(s + i, last) * step + at) * PART;
        values[i] = parts[source + d];
        tops[i] = parts[source + HEAD_SIZE];
        totals[i] = parts[source + HEAD_SIZE + 1];
      }
      for (var i = 0u; i < TOGETHER; i++) {
        let weight = select(0.0, exp(tops[i] - largest), s + i <= last);
        sum += weight * values[i];
        total += weight * totals[i];
      }
    }
    attended[at * HEAD_SIZE + d] = E(sum / total);
  }
}
