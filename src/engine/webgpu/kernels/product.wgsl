// What the kernels of a linear layer share: y = x * transpose(w) + bias. An epilogue file says what becomes of results.
// NORMED: the rows of x get an RMS norm first (arXiv 1910.07467); its weight is in w.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<X>;
@group(0) @binding(2) var<storage, read> w: array<W>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;

// What a row is multiplied by, from the sum of its squares.
fn normOf(squares: f32) -> f32 {
  return inverseSqrt(squares / f32(K) + EPSILON);
}

fn biased(value: f32, column: u32) -> f32 {
  if (BIASED) {
    return value + bias[column];
  }
  return value;
}
