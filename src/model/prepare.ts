import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachedFolder, cacheError } from './cache-folder.js';
import type { DecoderShape } from './config.js';
import { buildDecoder, type WeightMap } from './graph.js';
import type { CpuWeights } from './linear.js';
import type { WeightLocation } from './onnx.js';
import { type ModelSource, openModel } from './source.js';
import { WeightFile } from './weight-file.js';
import { writeWeights } from './write-weights.js';

/** Raised whenever the graph or the layout of the weights changes, so that cached models are built anew. */
const graphVersion = 10;
const weightFile = 'weights.bin';

export interface PreparedModel {
  shape: DecoderShape;
  graphFile: string;
  weights: CpuWeights;
  /** Bytes of the file of weights beside the graph. */
  weightBytes: number;
  /** sha256 over the model's files: decides everything that the model computes. */
  fingerprint: string;
}

/**
 * Turns a model into a decoder graph or takes it from the cache.
 * The cache folder is named after the content of the model's files and the weight type; parts are built beside it and renamed.
 * Throws inputError for a model that is missing, broken or not supported.
 */
export function prepareModel(path: string, cache: string, weights: CpuWeights = 'float32'): PreparedModel {
  const source = openModel(path, cache);
  try {
    const { shape } = source;
    const fingerprint = source.fingerprint();
    const target = join(cache, `${fingerprint.slice(0, 32)}-v${graphVersion}-${weights}`);
    cachedFolder(target, (folder) => writeFiles(source, weights, folder));
    const graphFile = join(target, 'decoder.onnx');
    if (!existsSync(graphFile)) writeGraph(shape, weights, target, graphFile);
    const weightBytes = statSync(join(target, weightFile)).size;
    return { shape, graphFile, weights, weightBytes, fingerprint };
  } finally {
    source.close();
  }
}

function writeGraph(shape: DecoderShape, weights: CpuWeights, target: string, graphFile: string): void {
  const bytes = buildDecoder(shape, weights, readWeightMap(target), weightFile);
  // containers that share the cache have the same process ids
  const temporary = `${graphFile}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, bytes);
    renameSync(temporary, graphFile);
  } catch (error) {
    throw cacheError(error, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeFiles(source: ModelSource, weights: CpuWeights, folder: string): void {
  const out = new WeightFile(join(folder, weightFile));
  try {
    writeWeights(out, source, weights);
    out.sync();
  } finally {
    out.close();
  }
  writeFileSync(join(folder, 'weights.json'), JSON.stringify(Object.fromEntries(out.locations)));
}

function readWeightMap(target: string): WeightMap {
  const json = JSON.parse(readFileSync(join(target, 'weights.json'), 'utf8')) as Record<
    string,
    WeightLocation
  >;
  return new Map(Object.entries(json));
}
