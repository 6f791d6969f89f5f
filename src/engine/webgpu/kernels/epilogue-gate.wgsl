// Columns are pairs of gate and up: silu(gate) * up is stored.
@group(0) @binding(4) var<storage, read_write> y: array<Y>;

// The results of a column and the next one; column is even.
fn finishPair(row: u32, column: u32, first: f32, second: f32) {
  if (row >= sizes.rows || column >= N) {
    return;
  }
  let gate = biased(first, column);
  let up = biased(second, column + 1);
  y[row * (N / 2) + column / 2] = Y(gate / (1.0 + exp(-gate)) * up);
}
