import { createHash } from 'node:crypto';
import { type Stats, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inputError } from '../errors.js';
import { cachedFolder } from '../model/cache-folder.js';
import { findStock, isOnnx } from '../model/stock-place.js';
import { unreadable } from '../unreadable.js';
import { GgufFile } from './file.js';
import { Metadata } from './metadata.js';
import { kinds, readVocabulary, tokenizerJson, type Vocabulary } from './tokenizer.js';

/** Raised whenever the files made of the same metadata change. */
const textVersion = 1;

/** Whether a path is taken for a GGUF file: any name with that ending, and any file but an ONNX one: others are folders. */
export function isGguf(path: string): boolean {
  if (isOnnx(path)) return false;
  return path.toLowerCase().endsWith('.gguf') || statOf(path)?.isFile() === true;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable(error, `the model ${path}`, 'Check model.path.');
  }
}

/** @throws inputError where there is neither a file nor a folder */
export function checkModelPath(path: string): void {
  if (statOf(path) !== undefined) return;
  throw inputError(
    `there is no model at ${path}`,
    'Expected a Hugging Face folder with config.json, tokenizer.json and the weights, or a GGUF or ONNX file. ' +
      'A relative model.path is relative to the folder of the configuration file.',
  );
}

/**
 * The folder with tokenizer.json, tokenizer_config.json and config.json of a model: of a Hugging Face folder itself,
 * of an ONNX file its own or the one above, of a GGUF file one in the cache, which is written when it isn't there and named after the file's header.
 * Throws inputError when there is no model, or its tokenizer is missing or not supported, runError when the cache can't be written.
 */
export function textFolderOf(path: string, cache: string): string {
  checkModelPath(path);
  if (isOnnx(path)) return findStock(path)?.folder ?? path;
  if (!isGguf(path)) return path;
  const file = GgufFile.open(path);
  try {
    const key = createHash('sha256').update(file.headerBytes()).digest('hex');
    const target = join(cache, `${key.slice(0, 32)}-text-v${textVersion}`);
    cachedFolder(target, (folder) => {
      for (const [name, content] of Object.entries(textFiles(file))) {
        writeFileSync(join(folder, name), JSON.stringify(content));
      }
    });
    return target;
  } finally {
    file.close();
  }
}

/** The files of the text side by name. */
function textFiles({ header, path }: GgufFile): Record<string, unknown> {
  const metadata = new Metadata(header.metadata, path);
  const vocabulary = readVocabulary(metadata, path);
  const token = (name: string) => vocabulary.tokens[metadata.number(`tokenizer.ggml.${name}_token_id`) ?? -1];
  const named = (['bos', 'eos', 'unk', 'pad'] as const).flatMap((name) => {
    const text = token(name === 'unk' ? 'unknown' : name === 'pad' ? 'padding' : name);
    return text === undefined ? [] : [[`${name}_token`, text]];
  });
  const template = metadata.text('tokenizer.chat_template');
  return {
    'tokenizer.json': tokenizerJson(metadata, vocabulary, path),
    'tokenizer_config.json': {
      ...Object.fromEntries(named),
      add_bos_token: metadata.flag('tokenizer.ggml.add_bos_token') ?? false,
      clean_up_tokenization_spaces: false,
      ...(template === undefined ? {} : { chat_template: template }),
    },
    'config.json': {
      model_type: metadata.text('general.architecture') ?? null,
      vocab_size: vocabulary.tokens.length,
      eos_token_id: endIds(metadata, vocabulary),
    },
  };
}

/** Control tokens that end an answer, whether the metadata name them or not: those that llama.cpp knows by name. */
const endTokens = new Set([
  '<|eot_id|>',
  '<|eom_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '</s>',
]);

function endIds(metadata: Metadata, { tokens, types }: Vocabulary): number[] {
  const ids = new Set(
    ['eos', 'eot', 'eom'].flatMap((name) => metadata.number(`tokenizer.ggml.${name}_token_id`) ?? []),
  );
  tokens.forEach((token, id) => {
    if (types[id] === kinds.control && endTokens.has(token)) ids.add(id);
  });
  return [...ids].filter((id) => id < tokens.length).sort((a, b) => a - b);
}
