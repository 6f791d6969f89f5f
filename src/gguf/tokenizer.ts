/** The tokenizer of a GGUF file as a tokenizer.json, which @huggingface/tokenizers reads. */
import { inputError } from '../errors.js';
import type { TokenizerJson } from '../text/special.js';
import type { Metadata } from './metadata.js';
import { preTokenizers } from './pre-tokenizers.js';

/** tokenizer.ggml.token_type. */
export const kinds = { ordinary: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

/** The metadata of a vocabulary. */
export interface Vocabulary {
  tokens: readonly string[];
  /** Of each token, see `kinds`. */
  types: readonly number[];
}

/** Throws inputError when the vocabulary is missing, or two tokens have the same text. */
export function readVocabulary(metadata: Metadata, file: string): Vocabulary {
  const list = 'tokenizer.ggml.tokens';
  const tokens = metadata.required(metadata.texts(list), list);
  const types = metadata.required(metadata.numbers('tokenizer.ggml.token_type'), 'tokenizer.ggml.token_type');
  if (types.length !== tokens.length) {
    throw inputError(`${file} has ${tokens.length} tokens, and the types of ${types.length}`);
  }
  return { tokens, types };
}

/**
 * Throws inputError when metadata are missing, or the tokenizer is of a kind that isn't supported.
 */
export function tokenizerJson(metadata: Metadata, vocabulary: Vocabulary, file: string): TokenizerJson {
  const model = metadata.text('tokenizer.ggml.model');
  if (model === 'gpt2') return byteLevel(metadata, vocabulary, file);
  if (model === 'llama') return sentencePiece(metadata, vocabulary, file);
  throw inputError(
    `${file} has a tokenizer of the kind ${model ?? '(none)'}, which isn't supported; gpt2 (byte-level BPE) and ` +
      'llama (SentencePiece BPE) are',
    'Take the Hugging Face folder of the model, with its tokenizer.json.',
  );
}

/** GPT-2's: a text is split by patterns, its bytes written as characters, and those merged by rank. */
function byteLevel(metadata: Metadata, vocabulary: Vocabulary, file: string): TokenizerJson {
  const pre = metadata.text('tokenizer.ggml.pre');
  const preTokenizer = preTokenizers.get(pre ?? '');
  if (preTokenizer === undefined) {
    const found =
      pre === undefined
        ? `doesn't say how it splits texts (tokenizer.ggml.pre)`
        : `splits texts as ${pre} does`;
    throw inputError(
      `The tokenizer of ${file} ${found}, which isn't supported; ${[...preTokenizers.keys()].join(', ')} are`,
      'Take the Hugging Face folder of the model, or convert it again with a current llama.cpp.',
    );
  }
  const merges = metadata.required(metadata.texts('tokenizer.ggml.merges'), 'tokenizer.ggml.merges');
  const { patterns, ignoreMerges, composed } = preTokenizer;
  const splits = patterns.map((Regex) => {
    return { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
  });
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  const model = {
    type: 'BPE',
    unk_token: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: ignoreMerges,
    vocab: vocabOf(vocabulary, file),
    merges: [...merges],
  };
  return {
    ...commonParts(vocabulary),
    normalizer: composed ? { type: 'NFC' } : null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits, bytes] },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model,
  };
}

/**
 * SentencePiece's BPE as Llama 2's tokenizer.json has it: spaces are U+2581, one stands before the text, what has no
 * piece becomes bytes, and pieces are merged in the order of their scores.
 */
function sentencePiece(metadata: Metadata, vocabulary: Vocabulary, file: string): TokenizerJson {
  const scores = metadata.required(metadata.numbers('tokenizer.ggml.scores'), 'tokenizer.ggml.scores');
  if (scores.length !== vocabulary.tokens.length) {
    throw inputError(`${file} has ${vocabulary.tokens.length} tokens, and the scores of ${scores.length}`);
  }
  const prefixed = metadata.flag('tokenizer.ggml.add_space_prefix') ?? true;
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' };
  const prefix = { type: 'Prepend', prepend: '\u2581' };
  const unknown = vocabulary.types.indexOf(kinds.unknown);
  const model = {
    type: 'BPE',
    unk_token: vocabulary.tokens[unknown] ?? null,
    fuse_unk: true,
    byte_fallback: vocabulary.types.includes(kinds.byte),
    ignore_merges: false,
    vocab: vocabOf(vocabulary, file),
    merges: mergesOf(vocabulary, scores),
  };
  return {
    ...commonParts(vocabulary),
    normalizer: { type: 'Sequence', normalizers: prefixed ? [prefix, spaces] : [spaces] },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(prefixed ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model,
  };
}

function commonParts({ tokens, types }: Vocabulary) {
  const added = tokens.flatMap((content, id) => {
    const special = types[id] === kinds.control || types[id] === kinds.unknown;
    if (content === '' || (!special && types[id] !== kinds.userDefined)) return [];
    return [{ id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false }];
  });
  return { version: '1.0', truncation: null, padding: null, added_tokens: added, post_processor: null };
}

/** Ids by text. Places that no token of the model takes are left out. */
function vocabOf({ tokens, types }: Vocabulary, file: string): Record<string, number> {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (types[id] === kinds.unused) return;
    const other = ids.get(token);
    if (other !== undefined) {
      throw inputError(`${file}: the tokens ${other} and ${id} are the same, ${JSON.stringify(token)}`);
    }
    ids.set(token, id);
  });
  return Object.fromEntries(ids);
}

/**
 * The merges that give the pieces: every way to make a piece of two others, the best score first. The order among
 * equals is that of convert_slow_tokenizer.py of Hugging Face transformers.
 */
function mergesOf({ tokens, types }: Vocabulary, scores: readonly number[]): [string, string][] {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (types[id] === kinds.ordinary) ids.set(token, id);
  });
  const merges: { left: string; right: string; score: number; order: number }[] = [];
  for (const [piece, id] of ids) {
    const characters = [...piece];
    let left = '';
    for (let i = 0; i < characters.length - 1; i++) {
      left += characters[i];
      const right = piece.slice(left.length);
      const order = ids.get(left);
      if (order !== undefined && ids.has(right)) {
        merges.push({ left, right, score: scores[id] as number, order });
      }
    }
  }
  const length = (text: string) => [...text].length;
  merges.sort(
    (a, b) =>
      b.score - a.score ||
      length(b.left) - length(a.left) ||
      length(b.right) - length(a.right) ||
      a.order - b.order,
  );
  return merges.map(({ left, right }) => [left, right]);
}
