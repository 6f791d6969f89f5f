import type { ModelReport } from '../model/inspect.js';

/** A model for a person: one line a question. */
export function modelSummary(report: ModelReport): string {
  const { path, architecture, parameters, graph, shape, tokenizer, chatTemplate, weights, memory } = report;
  const lines: [string, string][] = [['model', path]];
  const size = parameters === undefined ? '' : `, ${millions(parameters)} parameters`;
  if (architecture !== undefined) lines.push(['architecture', `${architecture}${size}`]);
  if (graph !== undefined) {
    const { file, layers, context, batched } = graph;
    const together = batched ? 'texts share runs' : 'a run for each text';
    lines.push(
      ['graph', `stock ONNX decoder ${file}: CPU only, drafts are lines, no vectors, ${together}`],
      ['layers', `${layers}`],
      ['context', `${number(context)} tokens`],
    );
  }
  if (shape !== undefined) {
    const { layers, hidden, heads, kvHeads, headSize, intermediate, context, window } = shape;
    const limit =
      window === undefined ? '' : ' (the width of its attention window: a longer text needs more)';
    lines.push(
      ['layers', `${layers} of ${number(hidden)}, feed-forward ${number(intermediate)}`],
      ['heads', `${heads} of ${headSize}, ${kvHeads} for keys and values`],
      ['context', `${number(context)} tokens${limit}`],
    );
  }
  if (tokenizer !== undefined)
    lines.push(['tokenizer', `${tokenizer.type}, ${number(tokenizer.vocabulary)} tokens`]);
  if (chatTemplate !== undefined) lines.push(['template', chatTemplate ? 'yes' : 'no']);
  if (weights !== undefined) {
    const types = Object.entries(weights).map(([type, bytes]) => `${type} ${mebibytes(bytes)}`);
    lines.push(['weights', types.join(', ')]);
  }
  if (memory !== undefined) {
    const { kvPerToken, kvPerSequence } = memory;
    lines.push([
      'memory',
      `keys and values: ${number(kvPerToken / 1024)} KiB a token, ${mebibytes(kvPerSequence)} for a text as ` +
        `long as the context; weights: ${mebibytes(memory.weights)} ${graph === undefined ? 'as float32' : 'of files'}`,
    ]);
  }
  const [first = '', ...others] = report.reasons;
  lines.push(['supported', report.supported ? 'yes' : `no. ${first}`]);
  for (const reason of others) lines.push(['', reason]);
  const width = Math.max(...lines.map(([label]) => label.length)) + 2;
  return lines.map(([label, text]) => `${label.padEnd(width)}${text}`).join('\n');
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

function millions(value: number): string {
  return `${number(value / 1e6)} million`;
}

function mebibytes(bytes: number): string {
  return `${number(bytes / 2 ** 20)} MiB`;
}
