/** Texts that relaxing changed, side by side with the autoregressive ones. */
import { common, type Mark } from '../../text/marks.js';
import { figure, type Html, html, paragraph } from './html.js';
import { markedPart } from './marked.js';
import type { EvaluatedPair } from './rows.js';

/** Code units that are shown before the first difference and of a text in all, at most. */
const before = 500;
const longest = 1500;

/** Nothing where the evaluation keeps none: no text was changed, or it is of an earlier version. */
export function pairs(rows: readonly EvaluatedPair[]): Html[] {
  if (rows.length === 0) return [];
  return [
    html`<h3>Texts before and after</h3>\n`,
    paragraph(
      'Some of the texts that relaxing changed, from the one that spent the most to the one that spent the least. The ' +
        'place where the two first differ is framed, relaxed tokens are marked; what follows them may differ for it.',
    ),
    ...rows.map(pair),
  ];
}

function pair(row: EvaluatedPair): Html {
  const { prompt_id, framework, setting, autoregressive, relaxed, relaxed_tokens, divergence, marks } = row;
  const at = common(autoregressive, relaxed);
  const key = [prompt_id];
  return html`<article>
<h4>${prompt_id}</h4>
<p class="facts">${framework ?? 'no framework'}: ${figure('pair.relaxed_tokens', relaxed_tokens, 'count', key)} tokens relaxed, ${figure('pair.divergence', divergence, 'nats', key)} nats; alike for ${figure('pair.alike', [...relaxed.slice(0, at)].length, 'count', key)} characters</p>
<div class="plots">
<div><p class="facts">autoregressive</p><blockquote>${side(autoregressive, [], at)}</blockquote></div>
<div><p class="facts">${setting}</p><blockquote>${side(relaxed, marks, at)}</blockquote></div>
</div>
</article>
`;
}

/** A text, or what stands around its first difference. */
function side(text: string, marks: readonly Mark[], at: number): Html {
  const first = differing(text, at);
  const start = first.start <= before ? 0 : wholeAt(text, first.start - before);
  const end = text.length <= start + longest ? text.length : wholeAt(text, start + longest);
  const part = (from: number, to: number) => markedPart(text, marks, from, to);
  const place = at === text.length ? '(ends here)' : part(first.start, first.end);
  return html`${start > 0 ? '…' : ''}${part(start, first.start)}<b class="first">${place}</b>${part(first.end, end)}${end < text.length ? '…' : ''}`;
}

/** The word in which a text first differs; nothing at its end. */
function differing(text: string, at: number): Mark {
  if (at === text.length) return { start: at, end: at };
  const [begun = ''] = /\S*$/.exec(text.slice(0, at)) as [string];
  const [rest = ''] = /^\s*\S*/.exec(text.slice(at)) as [string];
  // where a space stands against a letter the word before it is the same; a very long word is cut
  const start = /^\s/.test(rest) ? at : Math.max(at - begun.length, wholeAt(text, at - 40));
  return { start, end: wholeAt(text, Math.min(at + rest.length, at + 40)) };
}

/** The place, or the one before it where it is in the middle of a character. */
function wholeAt(text: string, at: number): number {
  return /[\ud800-\udbff]/.test(text[at - 1] ?? '') ? at - 1 : Math.max(0, at);
}
