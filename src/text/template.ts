/**
 * The template language of prompts. A template is a plain text file:
 *
 * | written | means |
 * |---|---|
 * | `{title}` | the column `title`; nothing where it is empty |
 * | `{title!}` | the same, and no prompt at all where it is empty |
 * | `{year, genre}` | several columns: the values that there are, joined by `, ` |
 * | `[[ Director: {director}.]]` | a segment that vanishes when a column in it is empty; segments may be nested, and an inner one that vanished leaves the outer as it is |
 * | `\{ \} \[ \] \\` | the characters themselves (a single `[` or `]` needs no backslash) |
 *
 * Columns are named as in the configuration (`inputs.*.columns`). Line breaks of the template are kept, but for one
 * at its end. Values come in as `fieldText` makes them: on one line. An entity that has none of the template's
 * columns gets no prompt either.
 */
import { inputError } from '../errors.js';

interface Columns {
  readonly kind: 'columns';
  readonly names: readonly string[];
  readonly required: boolean;
  readonly line: number;
}

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | Columns
  | { readonly kind: 'segment'; readonly parts: readonly Part[] };

export interface Template {
  /** The file's path, for messages. */
  readonly file: string;
  readonly parts: readonly Part[];
}

/** Values of the columns, in the order given to `bindTemplate`; empty text where there is none. */
export type Renderer = (values: readonly string[]) => string | undefined;

/**
 * Parses the text of the template `file`.
 * @throws inputError with file and line for braces or segments that don't close, a backslash before any other
 *   character, a placeholder without a name, and a segment or a whole template without a column.
 */
export function parseTemplate(source: string, file: string): Template {
  const text = source
    .replace(/^\uFEFF/, '')
    .replaceAll('\r\n', '\n')
    .replace(/\n$/, '');
  const template = { file, parts: new Parser(text, file).parse() };
  if (columnsIn(template.parts).length === 0) {
    throw inputError(
      `the template ${file} names no column: every prompt would be the same`,
      'Write columns in braces, for example {title}.',
    );
  }
  return template;
}

/** The columns that a template names, each once, in order of appearance. */
export function templateColumns(template: Template): string[] {
  return [...new Set(columnsIn(template.parts).flatMap((part) => part.names))];
}

/**
 * Fixes the places of the template's columns in rows of `columns`, and returns the function that renders a row.
 * The renderer returns undefined for a row that gets no prompt. `hint` says where columns are defined.
 * @throws inputError for a column that is not among `columns`.
 */
export function bindTemplate(template: Template, columns: readonly string[], hint: string): Renderer {
  const places = new Map(columns.map((name, index) => [name, index]));
  for (const part of columnsIn(template.parts)) {
    for (const name of part.names) {
      if (places.has(name)) continue;
      throw inputError(
        `the template ${template.file} names the unknown column "${name}" in line ${part.line}; ` +
          `the columns there are: ${columns.join(', ')}`,
        hint,
      );
    }
  }
  return (values) => {
    const row = new Row(values, places);
    const text = row.render(template.parts);
    return row.filled === 0 || row.lacksRequired ? undefined : text;
  };
}

function columnsIn(parts: readonly Part[]): Columns[] {
  return parts.flatMap((part) => {
    if (part.kind === 'segment') return columnsIn(part.parts);
    return part.kind === 'columns' ? [part] : [];
  });
}

/** Rendering of one row; remembers what decides whether the row has a prompt at all. */
class Row {
  /** Placeholders with a value, in vanished segments too. */
  filled = 0;
  lacksRequired = false;

  constructor(
    private readonly values: readonly string[],
    private readonly places: ReadonlyMap<string, number>,
  ) {}

  render(parts: readonly Part[]): string {
    return this.renderParts(parts).text;
  }

  private renderParts(parts: readonly Part[]): { text: string; complete: boolean } {
    let text = '';
    let complete = true;
    for (const part of parts) {
      if (part.kind === 'text') text += part.text;
      else if (part.kind === 'segment') {
        const inner = this.renderParts(part.parts);
        if (inner.complete) text += inner.text;
      } else {
        const value = this.valueOf(part);
        text += value;
        if (value === '') complete = false;
      }
    }
    return { text, complete };
  }

  private valueOf(part: Columns): string {
    const value = part.names
      .map((name) => this.values[this.places.get(name) as number] ?? '')
      .filter((text) => text !== '')
      .join(', ');
    if (value !== '') this.filled++;
    else if (part.required) this.lacksRequired = true;
    return value;
  }
}

/** Recursive descent, one character of look-ahead. */
class Parser {
  private at = 0;
  private line = 1;

  constructor(
    private readonly text: string,
    private readonly file: string,
  ) {}

  parse(): Part[] {
    return this.parts(undefined);
  }

  /** Parts up to the end of the text, or up to the `]]` that closes the segment opened in line `openedIn`. */
  private parts(openedIn: number | undefined): Part[] {
    const parts: Part[] = [];
    let literal = '';
    const endLiteral = () => {
      if (literal !== '') parts.push({ kind: 'text', text: literal });
      literal = '';
    };
    while (this.at < this.text.length) {
      if (this.skip('[[')) {
        endLiteral();
        parts.push(this.segment());
      } else if (openedIn !== undefined && this.closes()) {
        this.skip(']]');
        endLiteral();
        return parts;
      } else if (this.skip('{')) {
        endLiteral();
        parts.push(this.columns());
      } else if (this.text.startsWith('}', this.at)) {
        throw this.error('"}" has no "{" before it', 'Write \\} where the character itself is meant.');
      } else if (this.text.startsWith(']]', this.at) && openedIn === undefined) {
        throw this.error(
          '"]]" has no "[[" before it',
          'Write \\]\\] where the characters themselves are meant.',
        );
      } else literal += this.character();
    }
    if (openedIn !== undefined) throw this.error('"[[" is never closed', 'Close it with "]]".', openedIn);
    endLiteral();
    return parts;
  }

  private segment(): Part {
    const line = this.line;
    const parts = this.parts(line);
    if (!parts.some((part) => part.kind === 'columns')) {
      throw this.error(
        'a segment [[ ]] has no column of its own, so nothing decides whether it vanishes',
        'Put a column into it, or leave the double brackets out.',
        line,
      );
    }
    return { kind: 'segment', parts };
  }

  /** After `{`: names up to `}`, on one line. */
  private columns(): Part {
    const end = this.text.slice(this.at).search(/[{}\n]/);
    if (end < 0 || this.text[this.at + end] !== '}') {
      throw this.error('"{" is never closed', 'Close it with "}", or write \\{ for the character itself.');
    }
    const inside = this.text.slice(this.at, this.at + end).trim();
    this.at += end + 1;
    const required = inside.endsWith('!');
    const names = inside
      .slice(0, required ? -1 : undefined)
      .split(',')
      .map((name) => name.trim());
    if (names.some((name) => name === '')) {
      throw this.error(`{${inside}} lacks a column's name`, 'Write {title}, {title!} or {year, genre}.');
    }
    return { kind: 'columns', names, required, line: this.line };
  }

  /** `]]` ends a segment; of `]]]` the first belongs to the text, so that `[[ [{year}]]]` reads as it looks. */
  private closes(): boolean {
    if (!this.text.startsWith(']]', this.at)) return false;
    const run = /^\]+/.exec(this.text.slice(this.at)) as RegExpExecArray;
    return run[0].length % 2 === 0;
  }

  private character(): string {
    const character = this.text[this.at++] as string;
    if (character === '\n') this.line++;
    if (character !== '\\') return character;
    const escaped = this.text[this.at] ?? '';
    if (!'{}[]\\'.includes(escaped) || escaped === '') {
      throw this.error(
        'a backslash stands before nothing that needs one',
        'Write \\\\ for a backslash itself.',
      );
    }
    this.at++;
    return escaped;
  }

  private skip(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  private error(what: string, hint: string, line: number = this.line) {
    return inputError(`the template ${this.file} is wrong in line ${line}: ${what}`, hint);
  }
}
