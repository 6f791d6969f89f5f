/** Single texts: those that spent the most, and those that took longest. */
import { excerpt, figure, figureColumns, type Html, html, paragraph, section, table } from './html.js';
import { marked } from './marked.js';
import type { PageData, RelaxedText, SlowText } from './rows.js';

/** Characters of a text or prompt that are shown at most. */
const longest = 1500;

export function relaxedTexts({ relaxed }: Pick<PageData, 'relaxed'>): Html {
  const title = 'Texts that spent the most';
  if (relaxed.length === 0) return section('relaxed', title, [paragraph('No text holds relaxed tokens.')]);
  return section('relaxed', title, [
    paragraph(
      'Relaxed tokens are marked: drafted ones that were not the model’s first choice, but within the bounds of decode.topK, decode.minProb and the budget.',
    ),
    ...relaxed.map(relaxedText),
  ]);
}

function relaxedText(row: RelaxedText): Html {
  const { prompt_id, framework, cohort, output_tokens, relaxed_tokens, divergence, prompt } = row;
  return html`<article>
<h3>${prompt_id}</h3>
<p class="facts">${framework ?? 'no framework'}, cohort ${cohort ?? 'none'}: ${figure('relaxed.relaxed_tokens', relaxed_tokens, 'count', [prompt_id])} of ${figure('relaxed.output_tokens', output_tokens, 'count', [prompt_id])} tokens relaxed, ${figure('relaxed.divergence', divergence, 'nats', [prompt_id])} nats</p>
<blockquote>${withMarks(row)}</blockquote>
${promptDetails(prompt)}</article>
`;
}

/** The text with its marks; said to be without where it isn't known which tokens were relaxed. */
function withMarks({ text, marks }: RelaxedText): Html {
  if (marks === undefined)
    return html`${excerpt(text, longest)}\n<small>(which tokens were relaxed is not known)</small>`;
  const end = marks.at(-1)?.end ?? 0;
  return html`${marked(text.slice(0, end), marks)}${excerpt(text.slice(end), longest)}`;
}

function promptDetails(prompt: string | null): Html {
  if (prompt === null) return html``;
  return html`<details><summary>Its prompt</summary><blockquote>${excerpt(prompt, longest)}</blockquote></details>\n`;
}

export function slowest({ slowest: rows }: Pick<PageData, 'slowest'>): Html {
  const title = 'Slowest prompts';
  if (rows.length === 0) return section('slowest', title, [paragraph('There are no texts.')]);
  const number = figureColumns<SlowText>('slowest', ({ prompt_id }) => [prompt_id]);
  return section('slowest', title, [
    paragraph(
      'Those that took the most decode steps. Texts are decoded together, so none has a time of its own.',
    ),
    table<SlowText>(
      [
        { title: 'prompt', cell: ({ prompt_id }) => prompt_id },
        { title: 'cohort', cell: ({ cohort }) => cohort ?? 'none' },
        number('decode steps', 'decode_steps', 'count'),
        number('output tokens', 'output_tokens', 'count'),
        number('tokens a step', 'tokens_per_step', 'ratio'),
        number('prompt tokens', 'prompt_tokens', 'count'),
        { title: 'ended by', cell: ({ finish_reason }) => finish_reason ?? 'unknown' },
        { title: 'begins', cell: ({ prompt }) => excerpt(prompt ?? '', 120) },
      ],
      rows,
      'stacked',
    ),
  ]);
}
