// Results are added to the residual, of which the next product reads a shrunk copy.
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> shrunk: array<E>;

// The results of a column and the next one; both are even in number.
fn finishPair(row: u32, column: u32, first: f32, second: f32) {
  if (row >= sizes.rows || column >= N) {
    return;
  }
  let at = row * N + column;
  let left = residual[at] + biased(first, column);
  let right = residual[at + 1] + biased(second, column + 1);
  residual[at] = left;
  residual[at + 1] = right;
  shrunk[at] = E(left * SHRINK);
  shrunk[at + 1] = E(right * SHRINK);
}
