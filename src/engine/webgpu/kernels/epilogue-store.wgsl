// Results are stored. HEAD: the rows are those of the verdicts.
@group(0) @binding(4) var<storage, read_write> y: array<Y>;

// The results of a column and the next one; column is even.
fn finishPair(row: u32, column: u32, first: f32, second: f32) {
  if (row >= select(sizes.rows, sizes.verdicts, HEAD)) {
    return;
  }
  if (column < N) {
    y[row * N + column] = Y(biased(first, column));
  }
  if (column + 1 < N) {
    y[row * N + column + 1] = Y(biased(second, column + 1));
  }
}
