import { createHash } from 'node:crypto';
import { inputError } from '../errors.js';
import type { DecoderShape } from '../model/config.js';
import { weightSpecs } from '../model/graph.js';
import type { ModelSource, StoredTensor } from '../model/source.js';
import { GgufFile } from './file.js';
import type { GgufTensor } from './header.js';
import { ggufName } from './names.js';
import { readShape, ropeFactors } from './shape.js';
import { textFolderOf } from './text-folder.js';

/** A GGUF file as a model: weights under their Hugging Face names, the text side as a folder in the cache. */
export class GgufModel implements ModelSource {
  private constructor(
    readonly path: string,
    readonly shape: DecoderShape,
    private readonly file: GgufFile,
    private readonly cache: string,
  ) {}

  /** Throws inputError when the file is broken, or holds something else than a supported model. */
  static open(path: string, cache: string): GgufModel {
    const file = GgufFile.open(path);
    try {
      const shape = readShape(file);
      checkTensors(file, shape);
      return new GgufModel(path, shape, file, cache);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get textFolder(): string {
    return textFolderOf(this.path, this.cache);
  }

  get tensors(): readonly StoredTensor[] {
    return [...this.file.header.tensors.values()].map(({ name, type, shape, bytes }) => {
      return { name, type: type.name, shape, bytes };
    });
  }

  read(name: string, shape: readonly number[]): Float32Array {
    return this.readRows(name, shape, 0, shape[0] ?? 1);
  }

  /** Norms of Gemma multiply by 1 + weight; GGUF files hold that sum. */
  readRows(name: string, shape: readonly number[], from: number, count: number): Float32Array {
    const tensor = this.tensor(name);
    if (this.shape.gemma !== undefined && name.endsWith('norm.weight')) {
      return this.file.readRows(tensor, shape, from, count).map((weight) => weight - 1);
    }
    const heads = this.interleavedHeads(name);
    if (heads === undefined) return this.file.readRows(tensor, shape, from, count);
    // whole heads, because the two halves of each are mixed
    const rows = (shape[0] as number) / heads;
    const first = Math.floor(from / rows) * rows;
    const end = Math.ceil((from + count) / rows) * rows;
    const mixed = this.file.readRows(tensor, shape, first, end - first);
    const width = mixed.length / (end - first);
    return halvesApart(mixed, rows, width).subarray((from - first) * width, (from - first + count) * width);
  }

  /** sha256 over the file. */
  fingerprint(): string {
    const hash = createHash('sha256').update(`${this.file.size}`);
    this.file.forEachChunk((bytes) => hash.update(bytes));
    return hash.digest('hex');
  }

  close(): void {
    this.file.close();
  }

  private tensor(name: string): GgufTensor {
    const stored = storedName(name, this.shape);
    const tensor = this.file.header.tensors.get(stored);
    if (tensor !== undefined) return tensor;
    throw missing(this.path, stored);
  }

  /**
   * How many heads the rows of a tensor make whose halves llama.cpp interleaves; undefined for other tensors.
   * It does so with queries and keys of the `llama` architecture, because it rotates neighbouring elements there.
   */
  private interleavedHeads(name: string): number | undefined {
    if (this.shape.architecture !== 'LlamaForCausalLM') return undefined;
    if (name.includes('.q_proj.')) return this.shape.heads;
    return name.includes('.k_proj.') ? this.shape.kvHeads : undefined;
  }
}

/** Rows 0, 2, 4, ... of each head before rows 1, 3, 5, ...: what convert_hf_to_gguf.py of llama.cpp mixes. */
function halvesApart(mixed: Float32Array, rows: number, width: number): Float32Array {
  const apart = new Float32Array(mixed.length);
  const half = rows / 2;
  for (let row = 0; row * width < mixed.length; row++) {
    const within = row % rows;
    const from = row - within + 2 * (within % half) + Math.floor(within / half);
    apart.set(mixed.subarray(from * width, (from + 1) * width), row * width);
  }
  return apart;
}

function storedName(name: string, { architecture }: DecoderShape): string {
  return ggufName(name, architecture) ?? name;
}

/** A tensor that nobody reads would be a part of the model that is left out: such a model is another one. */
function checkTensors({ path, header }: GgufFile, shape: DecoderShape): void {
  const expected = new Set([ropeFactors]);
  for (const { sources } of weightSpecs(shape)) {
    for (const { name } of sources) {
      const stored = storedName(name, shape);
      if (!header.tensors.has(stored)) throw missing(path, stored);
      expected.add(stored);
    }
  }
  const unknown = [...header.tensors.keys()].filter((name) => !expected.has(name));
  if (unknown.length === 0) return;
  throw inputError(
    `The model ${path} isn't supported: it has tensors that are no part of a ${shape.architecture}: ` +
      unknown.slice(0, 3).join(', ') +
      (unknown.length > 3 ? ` and ${unknown.length - 3} more` : ''),
  );
}

function missing(path: string, name: string): Error {
  return inputError(
    `${path} has no tensor "${name}", which its metadata call for`,
    'Copy or download the model again.',
  );
}
