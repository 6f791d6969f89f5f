// Brings float32 rows of a weight into the device's element type: row r goes to row r * stride + first, after the two halves
// of each head were joined like a zip where `half` says how many rows they have.
struct Piece {
  rows: u32,
  columns: u32,
  stride: u32,
  first: u32,
  // rows of the piece are computed from here on, so that one dispatch needn't hold them all
  start: u32,
  half: u32,
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
  var place = piece.start + row;
  if (piece.half > 0) {
    place = place / (2 * piece.half) * 2 * piece.half + place % piece.half * 2 + place / piece.half % 2;
  }
  let to = (place * piece.stride + piece.first) * piece.columns;
  for (var i = thread; i < piece.columns; i += 256) {
    var value = source[row * piece.columns + i];
    if (GAINED) {
      value *= gains[i];
    }
    target_[to + i] = E(value);
  }
}
