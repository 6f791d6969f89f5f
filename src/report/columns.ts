/**
 * A table for a person.
 * @param columns each with its title first; numbers stand to the right
 */
export function alignedColumns(columns: readonly (readonly string[])[]): string {
  const widths = columns.map((cells) => Math.max(...cells.map((cell) => cell.length)));
  return (columns[0] ?? [])
    .map((_, line) =>
      columns
        .map((cells, i) => align(cells[line] as string, widths[i] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Numbers to the right. */
function align(cell: string, width: number): string {
  return /^-?[\d.]+%?$|^-$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
}
