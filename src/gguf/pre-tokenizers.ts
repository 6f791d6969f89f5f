/**
 * How byte-level BPE tokenizers split a text before they merge, by the name in tokenizer.ggml.pre. The patterns are
 * those of the models' tokenizer.json; `default` is what llama.cpp does with a model that it doesn't know.
 */
export interface PreTokenizer {
  /** Applied one after another: each splits what those before left. */
  patterns: readonly string[];
  /** A word that is a token is taken whole, whatever the merges say. */
  ignoreMerges: boolean;
  /** Unicode's composed form before anything else. */
  composed: boolean;
}

const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The pattern of tiktoken's cl100k with numbers cut as `number` says. */
const tiktoken = (number: string) =>
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
  `${number}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const tekken =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|' +
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|' +
  '\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const plain = (...patterns: string[]): PreTokenizer => ({ patterns, ignoreMerges: false, composed: false });
const digitByDigit = plain('\\p{N}', gpt2);
const llama3: PreTokenizer = { ...plain(tiktoken('\\p{N}{1,3}')), ignoreMerges: true };
const qwen2: PreTokenizer = { ...plain(tiktoken('\\p{N}')), composed: true };

export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map([
  ['default', plain('[\\p{P}$+<=>^~|]+', gpt2, '\\p{N}+', '[0-9][0-9][0-9]')],
  ['gpt-2', plain(gpt2)],
  ['smollm', digitByDigit],
  ['starcoder', digitByDigit],
  ['llama-bpe', llama3],
  ['llama-v3', llama3],
  ['llama3', llama3],
  ['qwen2', qwen2],
  ['deepseek-r1-qwen', qwen2],
  ['tekken', { ...plain(tekken), ignoreMerges: true }],
]);
