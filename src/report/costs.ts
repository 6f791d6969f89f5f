import type { CostTable } from '../engine/cost-table.js';

/** A cost table for a person: a line for each number of texts, a column for each number of rows. */
export function costsSummary(
  { batch, rows, milliseconds }: CostTable,
  { device, file, measured }: { device: string; file: string; measured: boolean },
): string {
  const lines = [
    ['texts', ...rows.map((count) => `${count}`)],
    ...batch.map((texts, b) => [
      `${texts}`,
      ...(milliseconds[b] as number[]).map((value) => value.toPrecision(3)),
    ]),
  ];
  const widths = rows.map((_, r) => Math.max(...lines.map((cells) => (cells[r + 1] as string).length)));
  const table = lines.map(([texts = '', ...cells]) =>
    [texts.padStart(5), ...cells.map((cell, r) => cell.padStart(widths[r] as number))].join('  '),
  );
  const from = measured ? 'measured just now' : 'as measured earlier';
  return [
    `\nmilliseconds of a step on ${device}, by texts and rows of each (${from})`,
    ...table,
    `table: ${file}`,
  ].join('\n');
}
