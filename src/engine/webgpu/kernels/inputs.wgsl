// Inputs of matmul-matrix as they are: float16 numbers, eight in a vec4<u32>.
alias Eight = vec4<u32>;
const SHRINK = 1.0;

fn eightOf(at: u32) -> Eight {
  return x[at];
}

fn packed(eight: Eight) -> vec4<u32> {
  return eight;
}

fn sumOfSquares(eight: Eight) -> f32 {
  return 0.0;
}
