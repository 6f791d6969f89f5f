/** Values of options. What is wrong with one is said with the option's name. */
import { inputError } from '../errors.js';

/** A whole number. @throws inputError */
export function wholeNumber(option: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= from && value <= to) return value;
  throw inputError(`--${option} is ${JSON.stringify(text)}, expected a whole number from ${from} to ${to}`);
}

/** Whole numbers between commas, each once. @throws inputError */
export function numbers(option: string, text: string, from: number, to: number): number[] {
  return [...new Set(text.split(',').map((part) => wholeNumber(option, part.trim(), from, to)))];
}

/** A number above 0. @throws inputError */
export function nats(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw inputError(`--${option} is ${JSON.stringify(text)}, expected nats above 0`);
}

/** Words between commas, each once; `usual` where there are none. @throws inputError */
export function words<Word extends string>(
  option: string,
  text: string | undefined,
  known: readonly Word[],
  usual: readonly Word[],
): Word[] {
  if (text === undefined) return [...usual];
  const given = text.split(',').map((part) => {
    const word = known.find((name) => name === part.trim());
    if (word !== undefined) return word;
    throw inputError(
      `--${option} holds ${JSON.stringify(part.trim())}, expected some of ${known.join(', ')}`,
    );
  });
  return [...new Set(given)];
}

/** Numbers between commas, each once. @throws inputError */
export function reals(option: string, text: string, from: number, to: number): number[] {
  const given = text.split(',').map((part) => {
    const value = Number(part);
    if (part.trim() !== '' && value >= from && value <= to) return value;
    const expected = to === Number.POSITIVE_INFINITY ? `of at least ${from}` : `from ${from} to ${to}`;
    throw inputError(`--${option} holds ${JSON.stringify(part.trim())}, expected numbers ${expected}`);
  });
  return [...new Set(given)];
}
