// What a product does with its results: y = x * transpose(w) + bias, then by EPILOGUE
// 0: stored; 1: added to what is there (the residual); 2: columns are pairs of gate and up: silu(gate) * up is stored.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<X>;
@group(0) @binding(2) var<storage, read> w: array<W>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<Y>;

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
  if (row >= rowCount() || column >= N) {
    return;
  }
  let result = biased(value, column);
  if (EPILOGUE == 1) {
    y[row * N + column] += Y(result);
  } else {
    y[row * N + column] = Y(result);
  }
}

// column is even: gate; the next one is up
fn finishPair(row: u32, column: u32, gate: f32, up: f32) {
  if (row >= rowCount() || column >= N) {
    return;
  }
  let g = biased(gate, column);
  let u = biased(up, column + 1);
  y[row * (N / 2) + column / 2] = Y(g / (1.0 + exp(-g)) * u);
}
