/** Single texts: those that spent the most, and those that took longest. */
import { excerpt, figure, type Html, html, paragraph, section, table } from './html.js';
import type { PageData, RelaxedText, SlowText } from './rows.js';

export function relaxedTexts({ relaxed }: Pick<PageData, 'relaxed'>): Html {
  const title = 'Texts that spent the most';
  if (relaxed.length === 0) return section('relaxed', title, [paragraph('No text holds relaxed tokens.')]);
  return section('relaxed', title, [
    paragraph(
      'The table of texts says how many tokens of a text were relaxed and what they cost, not which: so they are not marked.',
    ),
    ...relaxed.map(relaxedText),
  ]);
}

function relaxedText(row: RelaxedText): Html {
  const { prompt_id, framework, cohort, output_tokens, relaxed_tokens, divergence, text, prompt } = row;
  return html`<article>
<h3>${prompt_id}</h3>
<p class="facts">${framework ?? 'no framework'}, cohort ${cohort ?? 'none'}: ${figure('relaxed.relaxed_tokens', relaxed_tokens, 'count', [prompt_id])} of ${figure('relaxed.output_tokens', output_tokens, 'count', [prompt_id])} tokens relaxed, ${figure('relaxed.divergence', divergence, 'nats', [prompt_id])} nats</p>
<blockquote>${excerpt(text, 1500)}</blockquote>
${promptDetails(prompt)}</article>
`;
}

function promptDetails(prompt: string | null): Html {
  if (prompt === null) return html``;
  return html`<details><summary>Its prompt</summary><blockquote>${excerpt(prompt, 1500)}</blockquote></details>\n`;
}

export function slowest({ slowest: rows }: Pick<PageData, 'slowest'>): Html {
  const title = 'Slowest prompts';
  if (rows.length === 0) return section('slowest', title, [paragraph('There are no texts.')]);
  const number = (name: 'prompt_tokens' | 'output_tokens' | 'decode_steps' | 'tokens_per_step') => ({
    title: name === 'tokens_per_step' ? 'tokens a step' : name.replaceAll('_', ' '),
    number: true,
    cell: (row: SlowText) =>
      figure(`slowest.${name}`, row[name], name === 'tokens_per_step' ? 'ratio' : 'count', [row.prompt_id]),
  });
  return section('slowest', title, [
    paragraph(
      'Those that took the most decode steps. Texts are decoded together, so none has a time of its own.',
    ),
    table<SlowText>(
      [
        { title: 'prompt', cell: ({ prompt_id }) => prompt_id },
        { title: 'cohort', cell: ({ cohort }) => cohort ?? 'none' },
        number('decode_steps'),
        number('output_tokens'),
        number('tokens_per_step'),
        number('prompt_tokens'),
        { title: 'ended by', cell: ({ finish_reason }) => finish_reason ?? 'unknown' },
        { title: 'begins', cell: ({ prompt }) => excerpt(prompt ?? '', 120) },
      ],
      rows,
      'stacked',
    ),
  ]);
}
