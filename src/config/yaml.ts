/** YAML text -> document and value; everything wrong with the syntax is one error with its place. */
import { type Document, LineCounter, parseDocument, visit } from 'yaml';
import { messageOf } from '../errors.js';

export interface ParsedYaml {
  document: Document;
  lines: LineCounter;
  value: unknown;
}

/** @param fail makes the error to throw; `line` and `column` count from 1 */
export function parseYaml(
  text: string,
  fail: (reason: string, line: number, column: number) => Error,
): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const failAt = (reason: string, offset: number) => {
    const { line, col } = lines.linePos(offset);
    return fail(reason, line, col);
  };
  const trouble = document.errors[0] ?? document.warnings[0];
  if (trouble !== undefined) {
    throw failAt(trouble.message.split(/ at line \d+|:?\n/)[0] ?? trouble.code, trouble.pos[0]);
  }
  visit(document, {
    // A glob without quotes (*.csv) is an alias in YAML.
    Alias(_, node) {
      if (node.resolve(document) !== undefined) return;
      throw failAt(`*${node.source} needs quotes, as text that starts with *`, node.range?.[0] ?? 0);
    },
  });
  try {
    return { document, lines, value: document.toJS() };
  } catch (error) {
    // Too many aliases of aliases.
    throw failAt(messageOf(error), 0);
  }
}
