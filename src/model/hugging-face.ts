import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { inputError, messageOf } from '../errors.js';
import { type DecoderShape, readModelConfig } from './config.js';
import { Safetensors } from './safetensors.js';
import type { ModelSource, StoredTensor } from './source.js';

const weightName = 'model.safetensors';
const indexName = `${weightName}.index.json`;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** A Hugging Face folder: config.json, the tokenizer, and the weights in one safetensors file or in shards. */
export class HuggingFaceModel implements ModelSource {
  readonly textFolder: string;

  private constructor(
    readonly path: string,
    readonly shape: DecoderShape,
    private readonly files: readonly Safetensors[],
    /** The file that holds each tensor. */
    private readonly places: ReadonlyMap<string, Safetensors>,
  ) {
    this.textFolder = path;
  }

  /** Throws inputError when files are missing or broken, or the model isn't supported. */
  static open(path: string): HuggingFaceModel {
    const shape = readModelConfig(path);
    const { files, places } = openWeights(path);
    if (shape.layers > places.size) {
      for (const file of files) file.close();
      throw inputError(
        `${join(path, 'config.json')}: num_hidden_layers is ${shape.layers}, the weights have ${places.size} tensors`,
        'The weights and config.json belong to different models, or the download is incomplete.',
      );
    }
    return new HuggingFaceModel(path, shape, files, places);
  }

  get tensors(): readonly StoredTensor[] {
    return this.files.flatMap((file) => file.tensors().filter(({ name }) => this.places.get(name) === file));
  }

  read(name: string, shape: readonly number[]): Float32Array {
    return this.readRows(name, shape, 0, shape[0] ?? 1);
  }

  readRows(name: string, shape: readonly number[], from: number, count: number): Float32Array {
    const file = this.places.get(name);
    if (file !== undefined) return file.readRows(name, shape, from, count);
    throw inputError(
      `The weights of ${this.path} have no tensor "${name}", which its config.json calls for`,
      'The weights and config.json belong to different models, or the download is incomplete.',
    );
  }

  /** sha256 over config.json and the weights. */
  fingerprint(): string {
    const hash = createHash('sha256');
    hash.update(readFileSync(join(this.path, 'config.json')));
    for (const file of this.files) {
      hash.update(`${file.size}`);
      file.forEachChunk((bytes) => hash.update(bytes));
    }
    return hash.digest('hex');
  }

  close(): void {
    for (const file of this.files) file.close();
  }
}

/** The files that hold a folder's weights: model.safetensors, or the shards of an index. Throws inputError for neither. */
export function weightFiles(folder: string): string[] {
  const single = join(folder, weightName);
  const index = join(folder, indexName);
  if (existsSync(single)) return [single];
  checkIndex(folder, index);
  return shardNames(readIndex(index)).map((name) => join(folder, name));
}

/** model.safetensors, or every shard that model.safetensors.index.json names. */
function openWeights(folder: string): { files: Safetensors[]; places: Map<string, Safetensors> } {
  const single = join(folder, weightName);
  if (!existsSync(single)) return openShards(folder, join(folder, indexName));
  const file = Safetensors.open(single);
  return { files: [file], places: new Map(file.tensors().map(({ name }) => [name, file])) };
}

function checkIndex(folder: string, index: string): void {
  if (!existsSync(index)) {
    throw inputError(
      `The model folder ${folder} has neither ${weightName} nor ${indexName}`,
      'model.path must be a Hugging Face folder with config.json, tokenizer.json and model.safetensors, ' +
        'or a model.safetensors.index.json and its shards.',
    );
  }
}

function shardNames(weightMap: Record<string, string>): string[] {
  return [...new Set(Object.values(weightMap))].sort();
}

/** Shards in the order of their names, so that the fingerprint doesn't depend on the order in the index. */
function openShards(
  folder: string,
  index: string,
): { files: Safetensors[]; places: Map<string, Safetensors> } {
  checkIndex(folder, index);
  const weightMap = readIndex(index);
  const names = shardNames(weightMap);
  const missing = names.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) {
    throw inputError(
      `The model folder ${folder} lacks ${missing.length} of the ${names.length} shards that ${indexName} names: ` +
        missing.slice(0, 3).join(', '),
      'The download is incomplete: fetch the missing files.',
    );
  }
  const opened = new Map<string, Safetensors>();
  try {
    for (const name of names) opened.set(name, Safetensors.open(join(folder, name)));
  } catch (error) {
    for (const file of opened.values()) file.close();
    throw error;
  }
  const places = Object.entries(weightMap).map(
    ([tensor, name]) => [tensor, opened.get(name) as Safetensors] as const,
  );
  return { files: [...opened.values()], places: new Map(places) };
}

function readIndex(file: string): Record<string, string> {
  const broken = (why: string, cause?: unknown) =>
    inputError(`${file} is no index of shards: ${why}`, 'Copy or download the model again.', cause);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw broken(messageOf(error), error);
  }
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) throw broken('expected {"weight_map": {tensor: file}}', parsed.error);
  const { weight_map: weightMap } = parsed.data;
  const outside = Object.values(weightMap).find((name) => name !== basename(name) || name === '..');
  if (outside !== undefined) throw broken(`the shard "${outside}" is not a file beside it`);
  return weightMap;
}
