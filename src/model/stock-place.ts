/** Where a stock ONNX decoder lies: its file, and the folder of config.json and the tokenizer. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inputError } from '../errors.js';

export interface StockPlace {
  /** The ONNX file. */
  file: string;
  /** The folder with config.json, tokenizer.json and tokenizer_config.json: the file's, or the one above it. */
  folder: string;
}

/** Where in a model's folder its graphs lie. */
const places = ['.', 'onnx'];
const ownWeights = ['model.safetensors', 'model.safetensors.index.json'];

/** Whether a path names an ONNX file, be it there or not. */
export function isOnnx(path: string): boolean {
  return path.toLowerCase().endsWith('.onnx');
}

/**
 * The stock decoder that a path names: an ONNX file, or that of a folder; undefined for a folder with weights of its own,
 * and for anything else.
 * Throws inputError for a folder with several of which none is model.onnx, and for a file without config.json.
 */
export function findStock(path: string): StockPlace | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() === true) return isOnnx(path) ? { file: path, folder: folderOf(path) } : undefined;
  if (ownWeights.some((name) => existsSync(join(path, name)))) return undefined;
  const usual = places.map((place) => join(path, place, 'model.onnx')).find((file) => existsSync(file));
  const files = usual === undefined ? places.flatMap((place) => graphsIn(join(path, place))) : [usual];
  const [file] = files;
  if (file === undefined) return undefined;
  if (files.length === 1) return { file, folder: path };
  const names = files.map((name) => name.slice(join(path, '/').length));
  throw inputError(
    `The model folder ${path} has several ONNX decoders and no model.onnx: ${names.join(', ')}`,
    `Name one of them as the model, such as ${file}.`,
  );
}

function graphsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter(isOnnx).sort();
  return names.map((name) => join(folder, name));
}

/** The folder of a graph's config.json. */
function folderOf(file: string): string {
  const folders = [dirname(file), dirname(dirname(file))];
  const folder = folders.find((path) => existsSync(join(path, 'config.json')));
  if (folder !== undefined) return folder;
  throw inputError(
    `The ONNX decoder ${file} has no config.json, neither beside it nor in the folder above`,
    'Download config.json, tokenizer.json and tokenizer_config.json of the model too.',
  );
}
