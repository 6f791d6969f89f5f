import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DareError, messageOf } from '../errors.js';
import { textFolderOf } from '../gguf/text-folder.js';
import { readModelFolder } from '../text/folder.js';
import type { TokenizerJson } from '../text/special.js';
import { TextModel } from '../text/tokenizer.js';
import type { DecoderShape } from './config.js';
import { weightSpecs } from './graph.js';
import { type ModelSource, openModel } from './source.js';
import { readStock } from './stock.js';
import { findStock, type StockPlace } from './stock-place.js';

/** What is known of a model without computing anything. */
export interface ModelReport {
  path: string;
  supported: boolean;
  /** One sentence each: what isn't supported. */
  reasons: string[];
  architecture?: string;
  /** Where it isn't weights but a graph of others' making. */
  graph?: StockGraph;
  /** Numbers in the weights that the decoder uses. */
  parameters?: number;
  shape?: DecoderShape;
  tokenizer?: { type: string; vocabulary: number };
  chatTemplate?: boolean;
  /** Bytes in the files, by type. */
  weights?: Record<string, number>;
  memory?: ModelMemory;
}

/** A stock ONNX decoder, and what decoding makes of it. */
export interface StockGraph {
  file: string;
  layers: number;
  vocabulary: number;
  context: number;
  /** Whether sequences of different lengths share a run. */
  batched: boolean;
}

/** Bytes that decoding needs, keys and values as float32, or as a stock ONNX decoder has them. */
export interface ModelMemory {
  kvPerToken: number;
  /** Of a sequence that fills the whole context. */
  kvPerSequence: number;
  /** The weights: as float32, or what a stock ONNX decoder's files hold. */
  weights: number;
}

/**
 * Looks at a model: what it is, what it needs, and whether decoding supports it.
 * Throws inputError only where there is no model at all.
 */
export function inspectModel(path: string, cache: string): ModelReport {
  const report: ModelReport = { path, supported: false, reasons: [] };
  try {
    const stock = findStock(path);
    if (stock !== undefined) describeStock(stock, report);
    else {
      const source = openModel(path, cache);
      try {
        describeWeights(source, report);
      } finally {
        source.close();
      }
    }
  } catch (error) {
    if (!existsSync(path)) throw error;
    report.reasons.push(reasonOf(error));
    const architecture = architectureOf(path);
    if (architecture !== undefined) report.architecture = architecture;
  }
  describeText(path, cache, report);
  // a broken file is met by both
  report.reasons = [...new Set(report.reasons)];
  report.supported = report.reasons.length === 0;
  return report;
}

function describeWeights(source: ModelSource, report: ModelReport): void {
  const { shape } = source;
  const weights: Record<string, number> = {};
  for (const { type, bytes } of source.tensors) weights[type] = (weights[type] ?? 0) + bytes;
  const named = weightSpecs(shape).flatMap((spec) => spec.sources.map((part) => [part.name, part] as const));
  const sources = [...new Map(named).values()];
  const parameters = sources.reduce((sum, { shape: [rows, inputs = 1] }) => sum + rows * inputs, 0);
  const kvPerToken = shape.layers * 2 * shape.kvHeads * shape.headSize * Float32Array.BYTES_PER_ELEMENT;
  report.architecture = shape.architecture;
  report.shape = shape;
  report.weights = weights;
  report.parameters = parameters;
  report.memory = {
    kvPerToken,
    kvPerSequence: kvPerToken * shape.context,
    weights: parameters * Float32Array.BYTES_PER_ELEMENT,
  };
  // one row of each tells whether all tensors are there, in sizes and types that can be read
  for (const { name, shape } of sources) source.readRows(name, shape, 0, 1);
}

function describeStock(place: StockPlace, report: ModelReport): void {
  const { architecture, layers, kvHeads, headSize, cacheType, vocabulary, context, batched, bytes } =
    readStock(place);
  const kvPerToken = layers * 2 * kvHeads * headSize * (cacheType === 'float16' ? 2 : 4);
  report.architecture = architecture;
  report.graph = { file: place.file, layers, vocabulary, context, batched };
  report.memory = { kvPerToken, kvPerSequence: kvPerToken * context, weights: bytes };
}

function describeText(path: string, cache: string, report: ModelReport): void {
  try {
    const folder = textFolderOf(path, cache);
    const { tokenizer, template } = readModelFolder(folder);
    report.chatTemplate = template !== undefined;
    const model = TextModel.load(folder);
    report.tokenizer = { type: typeOf(tokenizer), vocabulary: model.vocabularySize };
    model.encodePrompt('a');
    const tokens = (report.shape ?? report.graph)?.vocabulary ?? model.vocabularySize;
    if (model.vocabularySize > tokens) {
      report.reasons.push(`Its tokenizer has ${model.vocabularySize} tokens, its weights have ${tokens}`);
    }
  } catch (error) {
    report.reasons.push(reasonOf(error));
  }
}

/** Files of older versions don't name it: the vocabulary does. */
function typeOf({ model }: TokenizerJson): string {
  return model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : model.merges ? 'BPE' : 'WordPiece');
}

function architectureOf(folder: string): string | undefined {
  const file = join(folder, 'config.json');
  try {
    if (!statSync(file).isFile()) return undefined;
    const { architectures } = JSON.parse(readFileSync(file, 'utf8')) as { architectures?: unknown };
    const [first] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
    return typeof first === 'string' ? first : undefined;
  } catch {
    // the reason stands in the report already
    return undefined;
  }
}

/** The sentence of an error that is a user's; others are faults of ours. */
function reasonOf(error: unknown): string {
  if (error instanceof DareError) return messageOf(error);
  throw error;
}
