// Brings float32 rows of a weight into the device's element type: row r of this piece goes to row r * stride + first.
struct Piece {
  rows: u32,
  columns: u32,
  stride: u32,
  first: u32,
  // rows of the piece are computed from here on, so that one dispatch needn't hold them all
  start: u32,
}
@group(0) @binding(0) var<uniform> piece: Piece;
@group(0) @binding(1) var<storage, read> source: array<f32>;
// what each column is multiplied by, where GAINED
@group(0) @binding(2) var<storage, read> gains: array<f32>;
@group(0) @binding(3) var<storage, read_write> target_: array<E>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.x + group.y * 32768;
  if (row >= piece.rows) {
    return;
  }
  let to = ((piece.start + row) * piece.stride + piece.first) * piece.columns;
  for (var i = thread; i < piece.columns; i += 256) {
    var value = source[row * piece.columns + i];
    if (GAINED) {
      value *= gains[i];
    }
    target_[to + i] = E(value);
  }
}
