let cachedHalfTable: Float32Array | undefined;

/** The value of each of the 65,536 float16 bit patterns (IEEE 754-2008 binary16). */
export function halfTable(): Float32Array {
  if (cachedHalfTable !== undefined) return cachedHalfTable;
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < table.length; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[bits] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  cachedHalfTable = table;
  return table;
}
