import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { inputError, messageOf } from '../errors.js';
import { type PreTokenizer, rememberWords } from './byte-words.js';
import type { TokenizerJson } from './special.js';

/**
 * What is used of the library's Tokenizer. Its own declarations import each other without file extensions, which
 * NodeNext doesn't resolve: without this everything would be `any`.
 */
export interface Codec {
  /** An id is undefined where the vocabulary has neither the piece nor an unknown token. */
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

/**
 * The library's tokenizer for a tokenizer.json. Its parts are built without a look at what they hold: much that is wrong
 * shows when a text is encoded or decoded for the first time.
 * @throws inputError, as the codec's functions do, when the library can't use it
 */
export function buildCodec(json: TokenizerJson, config: Record<string, unknown>, folder: string): Codec {
  const usable = <Result>(use: () => Result): Result => {
    try {
      return use();
    } catch (error) {
      throw inputError(
        `${join(folder, 'tokenizer.json')} can't be used: ${messageOf(error)}`,
        "Expected a tokenizer.json of Hugging Face's tokenizers.",
        error,
      );
    }
  };
  const codec: Codec & { pre_tokenizer?: PreTokenizer | null } = usable(() => new Tokenizer(json, config));
  rememberWords(codec.pre_tokenizer);
  return {
    encode: (text, options) => usable(() => codec.encode(text, options)),
    decode: (ids, options) => usable(() => codec.decode(ids, options)),
    token_to_id: (token) => codec.token_to_id(token),
    id_to_token: (id) => codec.id_to_token(id),
  };
}

/** Ids of a text without special tokens. @throws inputError where the vocabulary has no piece for a part of it */
export function encodeWith(codec: Codec, text: string, folder: string): number[] {
  if (text === '') return [];
  const { ids } = codec.encode(wellFormed(text), { add_special_tokens: false });
  if (!isComplete(ids)) {
    throw inputError(`${folder}: the tokenizer has no token for a part of the text ${excerpt(text)}`);
  }
  return ids;
}

/** A string can hold half a surrogate pair, UTF-8 can't. */
function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\uFFFD');
}

function isComplete(ids: (number | undefined)[]): ids is number[] {
  return ids.every((id) => id !== undefined);
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
