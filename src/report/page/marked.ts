/** Texts with places in them marked. */
import type { Mark } from '../../text/marks.js';
import { type Html, html } from './html.js';

/** A text with its relaxed tokens marked. @param marks in order, apart, and within the text */
export function marked(text: string, marks: readonly Mark[]): Html {
  const parts: Html[] = [];
  let from = 0;
  for (const { start, end } of marks) {
    parts.push(html`${text.slice(from, start)}<mark>${text.slice(start, end)}</mark>`);
    from = end;
  }
  return html`${parts}${text.slice(from)}`;
}

/** The part of a text from `start` up to but not including `end`, with the marks that it has. */
export function markedPart(text: string, marks: readonly Mark[], start: number, end: number): Html {
  const inside = marks
    .map((mark) => ({ start: Math.max(start, mark.start) - start, end: Math.min(end, mark.end) - start }))
    .filter((mark) => mark.end > mark.start);
  return marked(text.slice(start, end), inside);
}
