/** IEEE 754 half precision: what ONNX calls float16. */

const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);

/** The nearest halves of float32 values, ties to even; values beyond 65,504 become infinite. */
export function toFloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, halfOf);
}

function halfOf(value: number): number {
  number[0] = value;
  const all = bits[0] as number;
  const sign = (all >>> 16) & 0x8000;
  const magnitude = all & 0x7fffffff;
  // infinite, or no number
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // below the smallest normal half: steps of 2^-24
  if (magnitude < 0x38800000) return sign | nearestEven(Math.abs(value) * 2 ** 24);
  // 13 of the 23 bits of the fraction go; a carry goes on into the exponent, which is biased by 15 in place of 127
  const rounded = (magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
  return sign | Math.min(rounded - ((127 - 15) << 10), 0x7c00);
}

function nearestEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below & 1);
  return rest > 0.5 ? below + 1 : below;
}
