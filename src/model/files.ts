import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isGguf } from '../gguf/text-folder.js';
import { weightFiles } from './hugging-face.js';
import { stockDataFiles } from './stock.js';
import { findStock } from './stock-place.js';

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
 * Throws inputError for a folder without weights, or with a broken index, and as `findStock` does.
 */
export function modelFiles(path: string): ModelFiles {
  if (isGguf(path)) return { weights: [path], text: [path] };
  const stock = findStock(path);
  const folder = stock?.folder ?? path;
  const text = textNames.map((name) => join(folder, name)).filter((file) => existsSync(file));
  const weights = stock === undefined ? weightFiles(path) : stockDataFiles(stock.file);
  return { weights: [...weights, join(folder, 'config.json')], text };
}
