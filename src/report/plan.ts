import type { Forecast, MemoryForecast } from '../simulate/forecast.js';

/** A forecast for a person: a line for each kind of prompts, their sum, memory. */
export function planSummary(forecasts: readonly Forecast[], total: Forecast, memory: MemoryForecast): string {
  const names = ['entity', 'framework', 'prompts'];
  const figures = ['prompt tokens', 'output tokens', 'tokens a step'];
  const hours = ['prompt hours', 'decode hours', 'without drafts'];
  const timed = total.decodeHours !== null;
  const isReused = total.reused > 0;
  const line = (of: Forecast, name: string | null) => [
    name ?? '-',
    of.framework ?? '-',
    whole(of.prompts),
    ...(isReused ? [whole(of.reused)] : []),
    of.promptTokens === null ? '-' : whole(of.promptTokens),
    whole(of.outputTokens),
    of.tokensPerStep?.toFixed(2) ?? '-',
    ...(timed ? [of.promptHours, of.decodeHours, of.plainHours].map(hour) : []),
  ];
  const lines = [
    [...names, ...(isReused ? ['reused'] : []), ...figures, ...(timed ? hours : [])],
    ...forecasts.map((of) => line(of, of.entity)),
    ...(forecasts.length > 1 ? [line(total, 'in all')] : []),
  ];
  const widths =
    lines[0]?.map((_, i) => Math.max(...lines.map((cells) => (cells[i] as string).length))) ?? [];
  const table = lines.map((cells) =>
    cells
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join('  ')
      .trimEnd(),
  );
  const { weights, perSequence, sequences } = memory;
  const use = `memory: weights ${mebibytes(weights)}, keys and values ${mebibytes(sequences)} (${mebibytes(perSequence)} a text)`;
  const { prompts, reused } = total;
  const left =
    `reused: ${whole(reused)} of ${whole(prompts)} texts stand in earlier tables and are taken over; tokens and hours are ` +
    `those of the ${whole(prompts - reused)} others`;
  return [...table, ...(isReused ? [left] : []), use].join('\n');
}

function whole(value: number): string {
  return value.toLocaleString('en-US');
}

function hour(value: number | null): string {
  return value === null ? '-' : value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toLocaleString('en-US', { maximumFractionDigits: 0 })} MiB`;
}
