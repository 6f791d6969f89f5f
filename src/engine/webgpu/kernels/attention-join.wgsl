// Joins the parts that attention.wgsl left: one workgroup a row and head.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> attended: array<E>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = group.x * HEADS + group.y;
  let step = sizes.rows * HEADS;
  var largest = -1e30;
  for (var s = 0u; s < sizes.splits; s++) {
    largest = max(largest, parts[(s * step + at) * (HEAD_SIZE + 2) + HEAD_SIZE]);
  }
  for (var i = thread; i < HEAD_SIZE; i += 64) {
    var sum = 0.0;
    var total = 0.0;
    for (var s = 0u; s < sizes.splits; s++) {
      let source = (s * step + at) * (HEAD_SIZE + 2);
      let weight = exp(parts[source + HEAD_SIZE] - largest);
      sum += weight * parts[source + i];
      total += weight * parts[source + HEAD_SIZE + 1];
    }
    attended[at * HEAD_SIZE + i] = E(sum / total);
  }
}
