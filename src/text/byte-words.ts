import { type RecentLimits, RecentTexts } from './recent-texts.js';

/** What is used of the library's pre-tokenizers: one that maps words to their bytes, or several one after the other. */
export interface PreTokenizer {
  tokenizers?: (PreTokenizer | null)[];
  byte_encoder?: Record<number, string>;
  text_encoder?: { encode(text: string): Uint8Array };
  use_regex?: boolean;
  add_prefix_space?: boolean;
  pattern?: RegExp;
  pre_tokenize_text(text: string): string[];
}

/**
 * A megabyte or two; words of prompts are few, and short. A longer one is part of the text that it was cut from for V8 (from 13
 * characters on), and would keep all of that in memory.
 */
const ofWords: RecentLimits = { most: 8192, longest: 12 };

/**
 * Lets a byte-level pre-tokenizer remember how words are written in the letters of its vocabulary, one for each byte. The
 * library maps the bytes of every word anew, which is two fifths of what encoding a prompt takes; words come again.
 */
export function rememberWords(part: PreTokenizer | null | undefined, limits = ofWords): void {
  for (const inner of part?.tokenizers ?? []) rememberWords(inner, limits);
  const { byte_encoder: letters, text_encoder: utf8, pattern } = part ?? {};
  if (!part || letters === undefined || utf8 === undefined || pattern === undefined) return;
  const words = new RecentTexts<string>(limits);
  const spelled = (word: string) => Array.from(utf8.encode(word), (byte) => letters[byte]).join('');
  part.pre_tokenize_text = (given) => {
    const text = part.add_prefix_space && !given.startsWith(' ') ? ` ${given}` : given;
    const found = part.use_regex ? (text.match(pattern) ?? []) : [text];
    return found.map((word) => words.of(word, () => spelled(word)));
  };
}
