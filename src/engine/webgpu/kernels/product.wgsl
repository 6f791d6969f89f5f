// What the kernels of a linear layer share: y = x * transpose(w) + bias. An epilogue file says what becomes of results.
// NORMED: the rows of x get an RMS norm first (arXiv 1910.07467). Its weight is in w, and what a row is divided by is known
// only when all of it was seen: so results are multiplied by `normOf`.
// x is the residual's shrunk copy then.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<X>;
@group(0) @binding(2) var<storage, read> w: array<W>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;

// From the sum of a row's squares.
fn normOf(squares: f32) -> f32 {
  return inverseSqrt(squares / f32(K) + EPSILON * SHRINK * SHRINK);
}

fn biased(value: f32, column: u32) -> f32 {
  if (BIASED) {
    return value + bias[column];
  }
  return value;
}
