import { stringify } from 'yaml';
import type { TunedSetting } from '../evaluate/pareto.js';
import type { Setting, TextMeasures } from '../evaluate/rows.js';
import { alignedColumns } from './columns.js';

interface Line
  extends TunedSetting,
    Pick<TextMeasures, 'tokensPerStep' | 'sameTexts' | 'perplexity' | 'vectorDistance'> {
  tokensPerSecond: number;
  best: boolean;
}

/** Settings by loss: the chosen one is marked, and those than which none is faster and loses less. */
export function tuningTable(lines: readonly Line[], chosen: Pick<TunedSetting, 'setting'>): string {
  const columns: [string, (line: Line) => string][] = [
    ['', ({ setting, best }) => (setting === chosen.setting ? '>' : best ? '*' : '')],
    ['setting', ({ setting }) => setting.name],
    ['nats a token', ({ loss }) => loss.toFixed(4)],
    ['ms a token', ({ milliseconds }) => milliseconds.toFixed(3)],
    ['tokens a step', ({ tokensPerStep }) => tokensPerStep.toFixed(2)],
    ['tokens/s', ({ tokensPerSecond }) => tokensPerSecond.toFixed(0)],
    ['same texts', ({ sameTexts }) => `${(100 * sameTexts).toFixed(1)}%`],
    ['perplexity', ({ perplexity }) => perplexity?.toFixed(3) ?? '-'],
    ['1 - cosine', ({ vectorDistance }) => vectorDistance?.toFixed(4) ?? '-'],
  ];
  const table = alignedColumns(columns.map(([title, cell]) => [title, ...lines.map(cell)]));
  return `${table}\n> chosen  * no other is as fast and loses as little`;
}

/** The keys of a configuration that make it decode this way, as YAML. */
export function chosenYaml({ mode, topK, minProb, divergenceBudget, minGain, nodes }: Setting): string {
  const bounds = mode === 'relaxed' ? { topK, minProb, divergenceBudget, minGain } : {};
  return stringify({ decode: { mode, ...bounds, ...(nodes === null ? {} : { nodes }) } });
}
