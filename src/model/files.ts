import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isGguf } from '../gguf/text-folder.js';
import { weightFiles } from './hugging-face.js';
import { stockDataFiles, stockFile } from './stock.js';

/** What the text side reads of a folder; all but the first may be missing. */
const textNames = [
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'generation_config.json',
  'config.json',
];

/** The files of a model whose content decides what it computes (`weights`) and how texts become tokens (`text`). */
export interface ModelFiles {
  weights: string[];
  text: string[];
}

/**
 * Names the files, without reading more than an index of shards.
 * Throws inputError for a folder without weights, or with a broken index.
 */
export function modelFiles(path: string): ModelFiles {
  if (isGguf(path)) return { weights: [path], text: [path] };
  const text = textNames.map((name) => join(path, name)).filter((file) => existsSync(file));
  const stock = stockFile(path);
  const weights = stock === undefined ? weightFiles(path) : stockDataFiles(stock);
  return { weights: [...weights, join(path, 'config.json')], text };
}
