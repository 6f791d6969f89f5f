// What a product does with its results: y = x * transpose(w) + bias, then by EPILOGUE
// 0: stored; 1: added to what is there (the residual); 2: columns are pairs of gate and up: silu(gate) * up is stored.
// NORMED: the rows of x get an RMS norm first (arXiv 1910.07467); its weight is in w.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<X>;
@group(0) @binding(2) var<storage, read> w: array<W>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<Y>;

// What a row is multiplied by, from the sum of its squares.
fn normOf(squares: f32) -> f32 {
  return inverseSqrt(squares / f32(K) + EPSILON);
}

fn rowCount() -> u32 {
  if (HEAD) {
    return sizes.verdicts;
  }
  return sizes.rows;
}

fn biased(value: f32, column: u32) -> f32 {
  if (BIASED) {
    return value + bias[column];
  }
  return value;
}

fn finish(row: u32, column: u32, value: f32) {
  if (column >= N) {
    return;
  }
  let result = biased(value, column);
  if (EPILOGUE == 1) {
    y[row * N + column] += Y(result);
  } else {
    y[row * N + column] = Y(result);
  }
}

// The results of a column and the next one; column is even.
fn finishPair(row: u32, column: u32, first: f32, second: f32) {
  if (row >= rowCount()) {
    return;
  }
  if (EPILOGUE != 2) {
    finish(row, column, first);
    finish(row, column + 1, second);
  } else if (column < N) {
    let gate = biased(first, column);
    let up = biased(second, column + 1);
    y[row * (N / 2) + column / 2] = Y(gate / (1.0 + exp(-gate)) * up);
  }
}
