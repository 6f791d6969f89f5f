/** A model as files: where its weights and its text side come from, whatever the format. */
import { statSync } from 'node:fs';
import { inputError, messageOf } from '../errors.js';
import { GgufModel } from '../gguf/model.js';
import { isGguf } from '../gguf/text-folder.js';
import type { DecoderShape } from './config.js';
import { HuggingFaceModel } from './hugging-face.js';
import { readStock, stockFile, stockFingerprint } from './stock.js';

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
  if (isGguf(path)) return GgufModel.open(path, cache);
  try {
    statSync(path);
  } catch (error) {
    throw inputError(
      `The model ${path} can't be opened: ${messageOf(error)}`,
      'model.path must be a Hugging Face folder with config.json, tokenizer.json and model.safetensors, ' +
        'or a GGUF file.',
      error,
    );
  }
  const stock = stockFile(path);
  if (stock !== undefined) {
    throw inputError(
      `${stock} is a stock ONNX decoder, which is decoded with as it is: its weights can't be read`,
      'To convert a model, put its model.safetensors into the folder.',
    );
  }
  return HuggingFaceModel.open(path);
}

/** Tokens that a model has embeddings for, a stock ONNX decoder's too. Throws as `openModel` and `readStock` do. */
export function modelVocabulary(path: string, cache: string): number {
  const stock = stockFile(path);
  if (stock !== undefined) return readStock(path, stock).vocabulary;
  const source = openModel(path, cache);
  source.close();
  return source.shape.vocabulary;
}

/** What an engine's fingerprint will be: sha256 over everything that decides what the model computes. Reads all of it. */
export function modelFingerprint(path: string, cache: string): string {
  const stock = stockFile(path);
  if (stock !== undefined) return stockFingerprint(path, stock);
  const source = openModel(path, cache);
  try {
    return source.fingerprint();
  } finally {
    source.close();
  }
}
