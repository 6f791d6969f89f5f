// What a product does with its results, by EPILOGUE: 0: stored; 1: added to what is there (the residual); 2: columns are pairs
// of gate and up: silu(gate) * up is stored.
@group(0) @binding(4) var<storage, read_write> y: array<Y>;

fn rowCount() -> u32 {
  if (HEAD) {
    return sizes.verdicts;
  }
  return sizes.rows;
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

// Whether a workgroup has other work than results; none has.
fn isBeside(y: u32, side: u32) -> bool {
  return false;
}

fn beside(y: u32, x: u32, columns: u32, side: u32, thread: u32, threads: u32) {}
