import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachedFolder, cacheError } from './cache-folder.js';
import type { DecoderShape } from './config.js';
import { buildDecoder, ropeTables, type WeightMap, type WeightSpec, weightSpecs } from './graph.js';
import type { WeightLocation } from './onnx.js';
import { ropeFrequencies, ropeTable } from './rope.js';
import { type ModelSource, openModel } from './source.js';
import { WeightFile } from './weight-file.js';
import { forEachRun, transposed, weightRows } from './weights.js';

/** Raised whenever the graph or the layout of the weights changes, so that cached models are built anew. */
const graphVersion = 6;
const weightFile = 'weights.bin';

export interface PreparedModel {
  shape: DecoderShape;
  graphFile: string;
  /** sha256 over the model's files: decides everything that the model computes. */
  fingerprint: string;
}

/**
 * Turns a model into a decoder graph or takes it from the cache.
 * The cache folder is named after the content of the model's files; parts are built beside it and renamed.
 * Throws inputError for a model that is missing, broken or not supported.
 */
export function prepareModel(path: string, cache: string): PreparedModel {
  const source = openModel(path, cache);
  try {
    const { shape } = source;
    const fingerprint = source.fingerprint();
    const target = join(cache, `${fingerprint.slice(0, 32)}-v${graphVersion}`);
    cachedFolder(target, (folder) => writeWeights(source, folder));
    const graphFile = join(target, 'decoder.onnx');
    if (!existsSync(graphFile)) writeGraph(shape, target, graphFile);
    return { shape, graphFile, fingerprint };
  } finally {
    source.close();
  }
}

function writeGraph(shape: DecoderShape, target: string, graphFile: string): void {
  const bytes = buildDecoder(shape, readWeightMap(target), weightFile);
  const temporary = `${graphFile}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, bytes);
    renameSync(temporary, graphFile);
  } catch (error) {
    throw cacheError(error, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeWeights(source: ModelSource, folder: string): void {
  const { shape } = source;
  const out = new WeightFile(join(folder, weightFile));
  try {
    for (const spec of weightSpecs(shape)) writeWeight(out, source, spec);
    writeRopeTables(out, shape);
    out.sync();
  } finally {
    out.close();
  }
  writeFileSync(join(folder, 'weights.json'), JSON.stringify(Object.fromEntries(out.locations)));
}

function writeWeight(out: WeightFile, source: ModelSource, spec: WeightSpec): void {
  const elements = spec.shape.reduce((product, size) => product * size, 1);
  const location = out.reserve(spec.name, elements * 4);
  if (spec.transpose) {
    out.write(location, 0, transposed(source, spec, source.shape));
    return;
  }
  for (const rows of weightRows(source, spec, source.shape)) {
    const rowBytes = rows.values.byteLength / rows.places.length;
    forEachRun(rows, (values, place) => out.write(location, place * rowBytes, values));
  }
}

/** A long context makes large tables: they are written some positions at a time. */
function writeRopeTables(out: WeightFile, shape: DecoderShape): void {
  for (const { name, of, rope } of ropeTables(shape)) {
    const frequencies = ropeFrequencies(rope);
    const rowBytes = frequencies.length * 4;
    const location = out.reserve(name, shape.context * rowBytes);
    for (let from = 0; from < shape.context; from += 4096) {
      const count = Math.min(4096, shape.context - from);
      out.write(location, from * rowBytes, ropeTable(of, frequencies, from, count));
    }
  }
}

function readWeightMap(target: string): WeightMap {
  const json = JSON.parse(readFileSync(join(target, 'weights.json'), 'utf8')) as Record<
    string,
    WeightLocation
  >;
  return new Map(Object.entries(json));
}
