/**
 * Pairs rows with columns, each at most once, so that the sum of their weights is the largest possible: the Hungarian
 * method with potentials (Kuhn 1955, Munkres 1957), O(rows^2 columns) where there are no more rows than columns.
 * @param weights weights[row][column], at least 0; a pair of weight 0 is none
 * @returns the column of each row, or -1
 */
export function heaviestPairs(weights: readonly (readonly number[])[]): number[] {
  const rows = weights.length;
  const columns = weights[0]?.length ?? 0;
  if (rows > columns) {
    const turned = Array.from({ length: columns }, (_, column) =>
      weights.map((row) => row[column] as number),
    );
    const ofColumn = heaviestPairs(turned);
    return weights.map((_, row) => ofColumn.indexOf(row));
  }
  const rowOf = cheapestRows(
    weights.map((row) => row.map((weight) => -weight)),
    columns,
  );
  return weights.map((row, index) => {
    const column = rowOf.indexOf(index);
    return (row[column] ?? 0) > 0 ? column : -1;
  });
}

/** The row of each column, -1 for none, so that every row has one and the sum of the costs is the least. */
function cheapestRows(costs: readonly (readonly number[])[], columns: number): number[] {
  const start = columns;
  const rowOf = new Array<number>(columns + 1).fill(-1);
  const rowPotential = new Array<number>(costs.length).fill(0);
  const columnPotential = new Array<number>(columns + 1).fill(0);
  for (let row = 0; row < costs.length; row++) {
    // a shortest augmenting path from the row to a free column, column by column as Dijkstra does
    rowOf[start] = row;
    const distance = new Array<number>(columns).fill(Number.POSITIVE_INFINITY);
    const before = new Array<number>(columns).fill(start);
    const reached = new Array<boolean>(columns + 1).fill(false);
    let column = start;
    while (rowOf[column] !== -1) {
      reached[column] = true;
      const from = rowOf[column] as number;
      let nearest = -1;
      for (let next = 0; next < columns; next++) {
        if (reached[next]) continue;
        const reduced =
          (costs[from]?.[next] as number) -
          (rowPotential[from] as number) -
          (columnPotential[next] as number);
        if (reduced < (distance[next] as number)) {
          distance[next] = reduced;
          before[next] = column;
        }
        if (nearest === -1 || (distance[next] as number) < (distance[nearest] as number)) nearest = next;
      }
      const step = distance[nearest] as number;
      for (let other = 0; other <= columns; other++) {
        if (reached[other]) {
          rowPotential[rowOf[other] as number] = (rowPotential[rowOf[other] as number] as number) + step;
          columnPotential[other] = (columnPotential[other] as number) - step;
        } else if (other < columns) {
          distance[other] = (distance[other] as number) - step;
        }
      }
      column = nearest;
    }
    while (column !== start) {
      const previous = before[column] as number;
      rowOf[column] = rowOf[previous] as number;
      column = previous;
    }
  }
  return rowOf.slice(0, columns);
}
