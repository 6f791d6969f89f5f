/** HTML from untrusted parts: whatever is put into a template is escaped, unless it is HTML made here. */

/** Safe HTML. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | undefined | readonly (Html | string)[];

/** HTML with parts: text is escaped, HTML stays, lists are joined, undefined is nothing. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.map((text, i) => text + (i < parts.length ? textOf(parts[i]) : '')).join(''));
}

function textOf(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map((one) => textOf(one as Part)).join('');
  return escaped(String(part));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return visible(text).replaceAll(/[&<>"']/g, (character) => entities[character] as string);
}

/** Characters that no HTML may hold (control characters, halves of surrogate pairs) as U+FFFD; line ends and tabs stay. */
export function visible(text: string): string {
  return text.replaceAll(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd');
}

/** How a number is shown. */
export type Format = 'count' | 'ratio' | 'fine' | 'seconds' | 'percent' | 'nats';

/**
 * A figure: as a person reads it, and exactly (`value`) under its name, so that a program can check the page.
 * @param key what it is the figure of, where there are several of one name
 */
export function figure(
  name: string,
  value: number | null | undefined,
  format: Format,
  key: readonly unknown[] = [],
): Html {
  if (value === null || value === undefined) return html`<span class="unknown">unknown</span>`;
  const of = key.length === 0 ? '' : html` data-key="${JSON.stringify(key)}"`;
  return html`<data data-figure="${name}"${of} value="${value}">${shown(value, format)}</data>`;
}

/** A number as a person reads it. */
export function shown(value: number, format: Format): string {
  switch (format) {
    case 'count':
      return grouped(value, 0);
    case 'ratio':
    case 'nats':
      return grouped(value, 2);
    case 'fine':
      return grouped(value, 4);
    case 'seconds':
      return duration(value);
    case 'percent':
      return `${Number((100 * value).toPrecision(3))}%`;
  }
}

function grouped(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `0.012 s`, `3.4 s`, `2 min 05 s`, `3 h 07 min` */
function duration(seconds: number): string {
  if (seconds < 0.1) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (part: number) => String(part).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

export interface Column<Row> {
  title: string;
  /** Aligned to the right. */
  number?: boolean;
  cell: (row: Row) => Part;
}

/** Fields of a row that hold numbers. */
type NumberField<Row> = {
  [Field in keyof Row]: Row[Field] extends number | null ? Field : never;
}[keyof Row] &
  string;

/**
 * Makes the columns of figures of a table.
 * @param kind what the figures' names begin with; they end with the field's
 * @param keyOf what tells a row from the others
 */
export function figureColumns<Row>(kind: string, keyOf: (row: Row) => readonly unknown[]) {
  return (title: string, field: NumberField<Row>, format: Format): Column<Row> => ({
    title,
    number: true,
    cell: (row) => figure(`${kind}.${field}`, row[field] as number | null, format, keyOf(row)),
  });
}

/**
 * A table that scrolls sideways where it is wider than the page.
 * @param narrow on a phone the cells of a row stand one below the other instead
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  narrow: 'scroll' | 'stacked' = 'scroll',
): Html {
  const classOf = ({ number }: Column<Row>) => (number === true ? html` class="number"` : undefined);
  const head = columns.map((column) => html`<th scope="col"${classOf(column)}>${column.title}</th>`);
  const body = rows.map((row) => {
    const cells = columns.map(
      (column) => html`<td${classOf(column)} data-title="${column.title}">${column.cell(row)}</td>`,
    );
    return html`<tr>${cells}</tr>\n`;
  });
  return html`<div class="${narrow}"><table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body}</tbody></table></div>\n`;
}

/** What a plot shows, as a table that opens on demand. */
export function asTable(body: readonly Html[]): Html {
  return html`<details><summary>In numbers</summary>\n${body}</details>\n`;
}

/** A part of the page. */
export function section(id: string, title: string, body: readonly Html[]): Html {
  return html`<section id="${id}">\n<h2>${title}</h2>\n${body}</section>\n`;
}

/** A sentence. */
export function paragraph(...parts: Part[]): Html {
  return html`<p>${parts.map((part) => (part instanceof Html ? part : new Html(textOf(part))))}</p>\n`;
}

/** At most so many characters, cut at the end. */
export function excerpt(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
