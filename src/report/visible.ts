/** Text from models and files, made safe for a terminal. */

const named: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\\': '\\\\',
  '"': '\\"',
};

/** Quoted, with everything that a terminal could act on, or that can't be seen, as an escape. */
export function quoted(text: string): string {
  return `"${text.replaceAll(/[\p{C}\p{Zl}\p{Zp}\\"]/gu, escaped)}"`;
}

/** Lines as they are, with everything else that a terminal could act on as an escape. */
export function visibleLines(text: string): string[] {
  return text.split('\n').map((line) => line.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped));
}

function escaped(character: string): string {
  return named[character] ?? `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
}
