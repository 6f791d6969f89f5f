import type { TextRow } from './text-table.js';

/** A row as a value of a log of lines: lists as JSON has them, the vector's bytes in base64, exact, short and quick. */
export function toLine({ vector, outputTokenIds, relaxedPositions, ...row }: TextRow): object {
  return {
    ...row,
    outputTokenIds: outputTokenIds && Array.from(outputTokenIds),
    relaxedPositions: relaxedPositions && Array.from(relaxedPositions),
    vector: vector && base64Of(vector),
  };
}

/** The row of a value that `toLine` made. */
export function toRow(line: unknown): TextRow {
  const { vector, ...row } = line as Omit<TextRow, 'vector'> & { vector: string | null };
  return { ...row, vector: vector === null ? null : floatsOf(Buffer.from(vector, 'base64')) };
}

function base64Of(vector: ArrayLike<number>): string {
  const floats = vector instanceof Float32Array ? vector : Float32Array.from(vector);
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString('base64');
}

function floatsOf(bytes: Buffer): Float32Array {
  const floats = new Float32Array(bytes.length / Float32Array.BYTES_PER_ELEMENT);
  new Uint8Array(floats.buffer).set(bytes);
  return floats;
}
