// Inputs of matmul-matrix that get an RMS norm: float32 numbers, eight in two vec4<f32>. What their row is divided by is
// known when all of it was seen, so results are divided.
struct Eight {
  low: vec4f,
  high: vec4f,
}

// Float16 ends at 65504, states of some models don't; what gets lost below 1e-7 is nothing beside numbers of that size.
const SHRINK = 1.0 / 64.0;

fn eightOf(at: u32) -> Eight {
  return Eight(x[at * 2], x[at * 2 + 1]);
}

fn packed(eight: Eight) -> vec4<u32> {
  let low = eight.low * SHRINK;
  let high = eight.high * SHRINK;
  return vec4(pack2x16float(low.xy), pack2x16float(low.zw), pack2x16float(high.xy), pack2x16float(high.zw));
}

fn sumOfSquares(eight: Eight) -> f32 {
  return dot(eight.low, eight.low) + dot(eight.high, eight.high);
}
