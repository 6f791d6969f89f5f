import { inputError, messageOf } from '../errors.js';
import { Duck } from './duck.js';

/**
 * Checks regular expressions as DuckDB has them (RE2: no look-around, no back-references).
 * @param key of the configuration that they are the value of
 * @throws inputError for the first one that isn't valid, by itself and as a part of a larger one
 */
export async function checkPatterns(patterns: readonly string[], key: string): Promise<void> {
  if (patterns.length === 0) return;
  const duck = await Duck.open({ threads: 1 });
  try {
    for (const [index, pattern] of patterns.entries()) {
      try {
        for (const form of [pattern, joinPatterns([pattern])])
          await duck.script('pools/pattern', { params: { pattern: form } });
      } catch (error) {
        const [reason = ''] = messageOf(error).replace('Invalid Input Error: ', '').split('\n');
        throw inputError(
          `${key}[${index}]: is ${JSON.stringify(pattern)}; expected a regular expression: ${reason}`,
          'The syntax is that of RE2: https://github.com/google/re2/wiki/Syntax',
          error,
        );
      }
    }
  } finally {
    duck.close();
  }
}

/** One expression that matches what any of them does; without any, one that matches nothing. */
export function joinPatterns(patterns: readonly string[]): string {
  // no text has an end before its beginning
  return patterns.length === 0 ? '\\z.' : patterns.map((pattern) => `(?:${pattern})`).join('|');
}
