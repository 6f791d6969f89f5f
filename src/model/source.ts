/** A model as files: where its weights and its text side come from, whatever the format. */
import { inputError } from '../errors.js';
import { GgufModel } from '../gguf/model.js';
import { checkModelPath, isGguf } from '../gguf/text-folder.js';
import type { DecoderShape } from './config.js';
import { HuggingFaceModel } from './hugging-face.js';
import { readStock, stockFingerprint } from './stock.js';
import { findStock } from './stock-place.js';

/** A model whose files are open for reading one tensor, or some rows of one, at a time. */
export interface ModelSource {
  /** As the user gave it. */
  readonly path: string;
  readonly shape: DecoderShape;
  /** Folder with tokenizer.json, tokenizer_config.json, config.json for the text side. */
  readonly textFolder: string;
  /** Every tensor of the files, as it is stored. */
  readonly tensors: readonly StoredTensor[];
  /**
   * Tensor by its Hugging Face name as float32, row-major [out, in].
   * Throws inputError when it is missing or of another shape.
   */
  read(name: string, shape: readonly number[]): Float32Array;
  /** `count` rows (elements, of a vector) of that tensor from row `from` on: what `read` has there. */
  readRows(name: string, shape: readonly number[], from: number, count: number): Float32Array;
  /** sha256 over everything that decides what the model computes. */
  fingerprint(): string;
  close(): void;
}

export interface StoredTensor {
  name: string;
  /** The file format's own name for the type: F16, BF16, Q4_K, ... */
  type: string;
  shape: readonly number[];
  bytes: number;
}

/**
 * Opens a Hugging Face folder or a GGUF file. What is made of its text side goes to the folder `cache`.
 * Throws inputError for a model that is missing, broken or not supported.
 */
export function openModel(path: string, cache: string): ModelSource {
  checkModelPath(path);
  if (isGguf(path)) return GgufModel.open(path, cache);
  const stock = findStock(path);
  if (stock !== undefined) {
    throw inputError(
      `${stock.file} is a stock ONNX decoder, which is decoded with as it is: its weights can't be read`,
      'To convert a model, put its model.safetensors into the folder.',
    );
  }
  return HuggingFaceModel.open(path);
}

/**
 * Checks what can be known of a model without computing: that it is there, whole as far as its headers tell, and
 * supported, and that the tokenizer is its own. One with more tokens than the model has embeddings is another model's:
 * its ids would lead outside them.
 * @param tokenizer the number of its tokens
 * @returns the width of its sliding window, where that is what limits the context
 * @throws inputError as `openModel` and `readStock` do, and for such a tokenizer
 */
export function checkModel(
  path: string,
  cache: string,
  { vocabularySize: tokens }: { vocabularySize: number },
): { window: number | undefined } {
  const { vocabulary, window } = sizesOf(path, cache);
  if (tokens <= vocabulary) return { window };
  throw inputError(
    `The tokenizer of ${path} has token ids up to ${tokens - 1}, its model has ${vocabulary} tokens.`,
    'Take tokenizer.json, config.json and the weights from the same model.',
  );
}

/** Tokens that a model has embeddings for, and its window; a stock ONNX decoder has its windows within. */
function sizesOf(path: string, cache: string): Pick<DecoderShape, 'vocabulary' | 'window'> {
  const stock = findStock(path);
  if (stock !== undefined) return { vocabulary: readStock(stock).vocabulary };
  const source = openModel(path, cache);
  source.close();
  return source.shape;
}

/** What an engine's fingerprint will be: sha256 over everything that decides what the model computes. Reads all of it. */
export function modelFingerprint(path: string, cache: string): string {
  const stock = findStock(path);
  if (stock !== undefined) return stockFingerprint(stock);
  const source = openModel(path, cache);
  try {
    return source.fingerprint();
  } finally {
    source.close();
  }
}
