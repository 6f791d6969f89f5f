/**
 * Quantised weights in the layouts of ONNX Runtime's operators. Rows are outputs: a matrix is [outputs, inputs],
 * row-major, as Hugging Face keeps it.
 */

/** Whole rows as int8 with one scale each: values are `codes * scale`. */
export interface QuantizedRows {
  /** [outputs, inputs], -127 to 127. */
  codes: Int8Array;
  /** [outputs] */
  scales: Float32Array;
}

/** Below float32's normal numbers a scale has too few digits to be one; what it would stand for is taken as zero. */
const smallestScale = 2 ** -126;
/** Largest code of a row: -128 stays unused, so that both signs are alike. */
const rowLimit = 127;

/** Quantises each row by its largest magnitude: no value is further off than half a scale. */
export function quantizeRows(values: Float32Array, inputs: number): QuantizedRows {
  const outputs = values.length / inputs;
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(outputs);
  for (let row = 0; row < outputs; row++) {
    const start = row * inputs;
    let largest = 0;
    for (let i = 0; i < inputs; i++) largest = Math.max(largest, Math.abs(values[start + i] as number));
    const scale = Math.fround(largest / rowLimit);
    if (scale < smallestScale) continue;
    scales[row] = scale;
    for (let i = 0; i < inputs; i++) codes[start + i] = Math.round((values[start + i] as number) / scale);
  }
  return { codes, scales };
}

export type BlockBits = 4 | 8;

/** The inputs of com.microsoft MatMulNBits; values are `(code - zeroPoint) * scale`. */
export interface QuantizedBlocks {
  /** [outputs, blocks, block * bits / 8]: codes along the inputs, the first one in a byte's low bits. */
  packed: Uint8Array;
  /** [outputs, blocks] */
  scales: Float32Array;
  /** [outputs, ceil(blocks * bits / 8)], packed like the codes; a row begins at a byte. */
  zeroPoints: Uint8Array;
}

/** Shares of a block's range that are tried: a narrower one cuts the extremes off, but has finer steps. */
const triedShares = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7];

/**
 * Quantises blocks of `block` inputs of each row, with the scale and zero point of the least squared error among
 * ranges from the whole of the block's values (zero included) down to 0.7 of it. A last block that is cut short is
 * filled up with the zero point, which stands for 0.
 *
 * @param block a power of two of at least 16, as MatMulNBits wants it
 */
export function quantizeBlocks(
  values: Float32Array,
  inputs: number,
  bits: BlockBits,
  block: number,
): QuantizedBlocks {
  const outputs = values.length / inputs;
  const blocks = Math.ceil(inputs / block);
  const blockBytes = (block * bits) / 8;
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const result: QuantizedBlocks = {
    packed: new Uint8Array(outputs * blocks * blockBytes),
    scales: new Float32Array(outputs * blocks),
    zeroPoints: new Uint8Array(outputs * zeroBytes),
  };
  for (let row = 0; row < outputs; row++) {
    for (let at = 0; at < blocks; at++) {
      const start = row * inputs + at * block;
      const end = Math.min(start + block, (row + 1) * inputs);
      const grid = bestGrid(values, start, end, 2 ** bits - 1);
      const index = row * blocks + at;
      result.scales[index] = grid.scale;
      pack(result.zeroPoints, row * zeroBytes, at, bits, grid.zero);
      for (let i = 0; i < block; i++) {
        const value = start + i < end ? codeOf(values[start + i] as number, grid) : grid.zero;
        pack(result.packed, index * blockBytes, i, bits, value);
      }
    }
  }
  return result;
}

/** The values that the operators compute with, [outputs, inputs]. */
export function dequantizeBlocks(
  { packed, scales, zeroPoints }: QuantizedBlocks,
  inputs: number,
  bits: BlockBits,
  block: number,
): Float32Array {
  const blocks = Math.ceil(inputs / block);
  const outputs = scales.length / blocks;
  const zeroBytes = zeroPoints.length / outputs;
  const values = new Float32Array(outputs * inputs);
  for (let row = 0; row < outputs; row++) {
    for (let i = 0; i < inputs; i++) {
      const at = Math.floor(i / block);
      const index = row * blocks + at;
      const code = unpack(packed, (index * block * bits) / 8, i % block, bits);
      const zero = unpack(zeroPoints, row * zeroBytes, at, bits);
      values[row * inputs + i] = (code - zero) * (scales[index] as number);
    }
  }
  return values;
}

/** Evenly spaced values: `(code - zero) * scale` for codes from 0 to `most`. */
interface Grid {
  scale: number;
  zero: number;
  most: number;
}

function bestGrid(values: Float32Array, start: number, end: number, most: number): Grid {
  let low = 0;
  let high = 0;
  for (let i = start; i < end; i++) {
    const value = values[i] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  let best: Grid = { scale: 0, zero: 0, most };
  let least = Number.POSITIVE_INFINITY;
  for (const share of triedShares) {
    const scale = Math.fround(((high - low) * share) / most);
    if (scale < smallestScale) return best;
    const grid = { scale, zero: Math.round((-low * share) / scale), most };
    const error = squaredError(values, start, end, grid);
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

function squaredError(values: Float32Array, start: number, end: number, grid: Grid): number {
  let sum = 0;
  for (let i = start; i < end; i++) {
    const value = values[i] as number;
    const off = value - (codeOf(value, grid) - grid.zero) * grid.scale;
    sum += off * off;
  }
  return sum;
}

function codeOf(value: number, { scale, zero, most }: Grid): number {
  if (scale === 0) return zero;
  return Math.min(Math.max(Math.round(value / scale) + zero, 0), most);
}

/** Writes the code with the given index into bytes that were zero. */
function pack(bytes: Uint8Array, first: number, index: number, bits: BlockBits, code: number): void {
  const at = first + ((index * bits) >> 3);
  bytes[at] = (bytes[at] as number) | (code << ((index * bits) & 7));
}

function unpack(bytes: Uint8Array, first: number, index: number, bits: BlockBits): number {
  return ((bytes[first + ((index * bits) >> 3)] as number) >> ((index * bits) & 7)) & (2 ** bits - 1);
}
