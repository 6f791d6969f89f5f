/** What `dare status` says of a table. */
export interface TableStatus {
  table: string;
  partition: string;
  state: string;
  reasons: readonly string[];
}

/** One line a table; every reason beyond the first on a line of its own. */
export function statusTable(tables: readonly TableStatus[]): string {
  const width = (values: readonly string[]) => Math.max(...values.map((value) => value.length)) + 2;
  const partitions = width(tables.map(({ partition }) => partition));
  const names = width(tables.map(({ table }) => table));
  const states = width(tables.map(({ state }) => state));
  const indent = `\n${' '.repeat(partitions + names + states)}`;
  const lines = tables.map(({ table, partition, state, reasons }) =>
    `${partition.padEnd(partitions)}${table.padEnd(names)}${state.padEnd(states)}${reasons.join(indent)}`.trimEnd(),
  );
  return lines.join('\n');
}
