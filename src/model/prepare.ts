import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DareError, runError } from '../errors.js';
import { fileError } from '../lake/file-error.js';
import type { DecoderShape } from './config.js';
import { buildDecoder, type WeightMap, type WeightSpec, weightSpecs } from './graph.js';
import type { WeightLocation } from './onnx.js';
import { type ModelSource, openModel } from './source.js';

/** Raised whenever the graph or the layout of the weights changes, so that cached models are built anew. */
const graphVersion = 4;
const weightFile = 'weights.bin';
/** ONNX Runtime maps external data into memory: start every weight at a page. */
const alignment = 4096;

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
    if (!existsSync(join(target, 'weights.json'))) writeWeights(source, target);
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

function cacheError(error: unknown, target: string): DareError {
  if (error instanceof DareError) return error;
  const { message } = fileError(error, "the model's cache could not be written", target);
  return runError(message, 'Set model.cache to a folder that can be written and has enough space.', error);
}

function writeWeights(source: ModelSource, target: string): void {
  const { shape } = source;
  let temporary: string | undefined;
  try {
    mkdirSync(join(target, '..'), { recursive: true });
    temporary = mkdtempSync(`${target}.tmp-`);
    const locations = new Map<string, WeightLocation>();
    const out = openSync(join(temporary, weightFile), 'w');
    try {
      let offset = 0;
      for (const spec of weightSpecs(shape)) {
        const bytes = Buffer.from(readWeight(source, spec, shape).buffer);
        writeWhole(out, bytes, offset);
        locations.set(spec.name, { offset, length: bytes.length });
        offset += Math.ceil(bytes.length / alignment) * alignment;
      }
      fsyncSync(out);
    } finally {
      closeSync(out);
    }
    writeFileSync(join(temporary, 'weights.json'), JSON.stringify(Object.fromEntries(locations)));
    // Another process may have built the same model meanwhile: its result is the same.
    if (!existsSync(target)) renameSync(temporary, target);
  } catch (error) {
    throw cacheError(error, target);
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
}

/** A write can be cut short, on a disk that is nearly full for one: the next call then tells why. */
function writeWhole(file: number, bytes: Uint8Array, offset: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, offset + done);
}

function readWeightMap(target: string): WeightMap {
  const json = JSON.parse(readFileSync(join(target, 'weights.json'), 'utf8')) as Record<
    string,
    WeightLocation
  >;
  return new Map(Object.entries(json));
}

/** Joins the Hugging Face tensors of one weight along their outputs and transposes them if the graph wants [in, out]. */
function readWeight(source: ModelSource, spec: WeightSpec, model: DecoderShape): Float32Array {
  const parts = spec.sources.map((part) => ({ ...part, values: source.read(part.name, part.shape) }));
  if (!spec.transpose) return (parts[0] as { values: Float32Array }).values;
  const [inputs, outputs] = spec.shape as [number, number];
  const joined = new Float32Array(inputs * outputs);
  let column = 0;
  for (const { values, foldedHeads } of parts) {
    const rows = values.length / inputs;
    const rowPlace = foldedHeads === 'out' ? foldedPlaces(model) : undefined;
    const inputPlace = foldedHeads === 'in' ? foldedPlaces(model) : undefined;
    for (let row = 0; row < rows; row++) {
      const toColumn = column + (rowPlace?.[row] ?? row);
      for (let i = 0; i < inputs; i++) {
        joined[(inputPlace?.[i] ?? i) * outputs + toColumn] = values[row * inputs + i] as number;
      }
    }
    column += rows;
  }
  return joined;
}

/**
 * Where each element of the query heads goes: head k * G + g (Hugging Face: the G queries of key/value head k lie side
 * by side) moves to g * kvHeads + k, so that folding the G queries into the rows is a plain reshape.
 */
function foldedPlaces({ heads, kvHeads, headSize }: DecoderShape): Int32Array {
  const group = heads / kvHeads;
  return Int32Array.from({ length: heads * headSize }, (_, at) => {
    const head = Math.floor(at / headSize);
    const folded = (head % group) * kvHeads + Math.floor(head / group);
    return folded * headSize + (at % headSize);
  });
}
