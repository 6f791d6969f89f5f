// residual[row] = embedding[token of row], and its shrunk copy for the first product
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> embedding: array<E>;
@group(0) @binding(3) var<storage, read_write> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> shrunk: array<E>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.x;
  let token = tables[row * ROW_WORDS];
  for (var i = thread; i < HIDDEN; i += 256) {
    let value = f32(embedding[token * HIDDEN + i]);
    residual[row * HIDDEN + i] = value;
    shrunk[row * HIDDEN + i] = E(value * SHRINK);
  }
}
