import type { SimulationRow } from '../simulate/simulate.js';
import { alignedColumns } from './columns.js';

/** Results as a table for a person; columns that say the same everywhere are left out. */
export function simulationTable(rows: readonly SimulationRow[]): string {
  const columns: [string, (row: SimulationRow) => string | null][] = [
    ['source', ({ source }) => source],
    ['mode', ({ mode }) => mode],
    ['entity', ({ entity }) => entity],
    ['framework', ({ framework }) => framework],
    ['cohort', ({ cohort }) => cohort],
    ['n-gram', ({ ngram }) => text(ngram)],
    ['pool texts', ({ poolTexts }) => text(poolTexts)],
    ['nodes', ({ nodes }) => text(nodes)],
    ['texts', ({ texts }) => text(texts)],
    ['tokens a step', ({ tokensPerStep }) => text(tokensPerStep, 2)],
    ['us a token', ({ draftMicrosPerToken }) => text(draftMicrosPerToken, 1)],
    ['us, 99%', ({ draftMicros99 }) => text(draftMicros99, 0)],
    ['ms a token', ({ millisecondsPerToken }) => text(millisecondsPerToken, 2)],
    ['speedup', ({ speedup }) => text(speedup, 2)],
  ];
  const table = columns.map(([title, cell]) => [title, ...rows.map((row) => cell(row) ?? '-')]);
  const shown = table.filter(([title, ...cells]) => isTelling(title as string, cells));
  return alignedColumns(shown);
}

const always = new Set(['source', 'nodes', 'texts', 'tokens a step', 'us a token']);

function isTelling(title: string, cells: readonly string[]): boolean {
  return always.has(title) || new Set(cells).size > 1 || (cells[0] !== '-' && title !== 'mode');
}

function text(value: number | null, digits = 0): string | null {
  return value === null ? null : value.toFixed(digits);
}
