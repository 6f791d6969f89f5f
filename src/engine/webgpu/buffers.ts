/** The buffers that a step works in. They grow with the rows of a step and with the columns of the KV cache. */
import type { DecoderShape } from '../../model/config.js';
import type { GpuDevice } from './device.js';
import type { StepTables } from './tables.js';

export interface Activations {
  /** float32 [rows, hidden] */
  residual: GPUBuffer;
  /** The residual in the element type, SHRINK times as large. */
  shrunk: GPUBuffer;
  qkv: GPUBuffer;
  queries: GPUBuffer;
  attended: GPUBuffer;
  gated: GPUBuffer;
  /** float32 [splits * rows, heads, headSize + 2] */
  parts: GPUBuffer;
  tables: GPUBuffer;
  /** Per layer the new keys and values, [2 * rows, 2, kvHeads, headSize]: of this step and of the last one in turns. */
  fresh: GPUBuffer[];
}

export interface HeadBuffers {
  normed: GPUBuffer;
  states: GPUBuffer;
  logits: GPUBuffer;
  verdicts: GPUBuffer;
}

/** What a step needs room for. */
export interface Room {
  rows: number;
  verdicts: number;
  tableWords: number;
  /** Rows times splits of a divided attention. */
  parts: number;
  topK: number;
  columns: number;
}

/** Tiles of the products reach this many rows past the last one. */
const margin = 64;
const columnBlock = 256;

export class Buffers {
  readonly sizes: GPUBuffer;
  private activations: Activations | undefined;
  private head: HeadBuffers | undefined;
  /** Per layer keys and values, laid out as kernels/cache.wgsl says. */
  cache: GPUBuffer[] = [];
  /** Sequences that the cache holds; fixed once the cache has columns. */
  slots = 1;
  /** Columns of a slot. */
  capacity = 0;
  /** Rows that each half of `fresh` holds. */
  rows = 0;
  /** Raised whenever a buffer was replaced. */
  generation = 0;
  private verdicts = 0;
  private tableWords = 0;
  private partRows = 0;
  private topK = 0;
  /** All buffers but the sizes. */
  private readonly live = new Set<GPUBuffer>();

  constructor(
    private readonly gpu: GpuDevice,
    private readonly shape: DecoderShape,
  ) {
    this.sizes = gpu.device.createBuffer({
      size: 64,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
  }

  /** Bytes of the cache that one column of one slot takes. */
  get columnBytes(): number {
    const { layers, kvHeads, headSize } = this.shape;
    return layers * 2 * kvHeads * headSize * this.elementBytes;
  }

  private get elementBytes(): number {
    return this.gpu.half ? 2 : 4;
  }

  /** Makes room; what `fresh` and the cache hold is kept. Throws runError when the device has too little memory. */
  async reserve(room: Room): Promise<void> {
    if (room.columns > this.capacity) await this.growCache(room.columns);
    const rows = grown(room.rows, this.rows);
    const tableWords = grown(room.tableWords, this.tableWords);
    const parts = grown(room.parts, this.partRows);
    const verdicts = grown(room.verdicts, this.verdicts);
    if (rows > this.rows || tableWords > this.tableWords || parts > this.partRows) {
      await this.growActivations(rows, tableWords, parts);
    }
    if (verdicts > this.verdicts || room.topK > this.topK) await this.growHead(verdicts, room.topK);
  }

  /** Gives everything back but the sizes; nothing is kept, and what a failed `reserve` left goes too. */
  clear(): void {
    for (const buffer of this.live) buffer.destroy();
    this.live.clear();
    this.cache = [];
    this.activations = undefined;
    this.head = undefined;
    this.capacity = this.rows = this.tableWords = this.partRows = this.verdicts = this.topK = 0;
  }

  /** Of a step. Throws before anything was reserved for one. */
  get ofStep(): { activations: Activations; head: HeadBuffers } {
    const { activations, head } = this;
    if (activations === undefined || head === undefined) throw new Error('nothing is reserved for a step');
    return { activations, head };
  }

  private get layerColumnBytes(): number {
    return this.columnBytes / this.shape.layers;
  }

  private async make(bytes: number, label: string): Promise<GPUBuffer> {
    const buffer = await this.gpu.storage(bytes, label);
    this.live.add(buffer);
    return buffer;
  }

  private drop(buffers: readonly GPUBuffer[]): void {
    for (const buffer of buffers) {
      buffer.destroy();
      this.live.delete(buffer);
    }
  }

  private async growCache(columns: number): Promise<void> {
    const capacity = Math.min(
      Math.ceil(Math.max(columns, this.capacity * 1.25) / columnBlock) * columnBlock,
      Math.ceil(this.shape.context / columnBlock) * columnBlock,
    );
    const bytes = this.layerColumnBytes;
    for (let l = 0; l < this.shape.layers; l++) {
      const old = this.cache[l];
      const fresh = await this.make((this.slots * capacity + margin) * bytes, 'the KV cache');
      if (old !== undefined) {
        const encoder = this.gpu.device.createCommandEncoder();
        for (let slot = 0; slot < this.slots; slot++) {
          const size = this.capacity * bytes;
          encoder.copyBufferToBuffer(old, slot * size, fresh, slot * capacity * bytes, size);
        }
        this.gpu.device.queue.submit([encoder.finish()]);
        this.drop([old]);
      }
      this.cache[l] = fresh;
    }
    this.capacity = capacity;
    this.generation++;
  }

  private async growActivations(rows: number, tableWords: number, parts: number): Promise<void> {
    const { hidden, heads, kvHeads, headSize, intermediate, layers } = this.shape;
    const e = this.elementBytes;
    const all = rows + margin;
    const old = this.activations;
    const make = (width: number, what: string) => this.make(all * width, what);
    const queries = heads * headSize;
    const keyValues = 2 * kvHeads * headSize;
    const fresh: GPUBuffer[] = [];
    for (let l = 0; l < layers; l++) {
      fresh.push(await this.make((2 * rows + margin) * keyValues * e, 'new keys and values'));
    }
    if (old !== undefined) this.keepFresh(old.fresh, fresh, rows, keyValues * e);
    this.activations = {
      residual: await make(hidden * 4, 'the residual'),
      shrunk: await make(hidden * e, 'the residual'),
      qkv: await make((queries + keyValues) * e, 'queries, keys and values'),
      queries: await make(queries * e, 'queries'),
      attended: await make(queries * e, 'attention'),
      gated: await make(intermediate * e, 'the feed-forward network'),
      parts: await this.make(Math.max(parts, 1) * heads * (headSize + 2) * 4, 'attention'),
      tables: await this.make(tableWords * 4, "a step's tables"),
      fresh,
    };
    if (old !== undefined) {
      const { fresh: oldFresh, ...rest } = old;
      this.drop([...oldFresh, ...Object.values(rest)]);
    }
    this.rows = rows;
    this.tableWords = tableWords;
    this.partRows = parts;
    this.generation++;
  }

  /** Both halves keep their rows: the last step's are still to be moved to the cache. */
  private keepFresh(
    old: readonly GPUBuffer[],
    fresh: readonly GPUBuffer[],
    rows: number,
    bytes: number,
  ): void {
    const encoder = this.gpu.device.createCommandEncoder();
    old.forEach((from, l) => {
      for (const half of [0, 1]) {
        const to = fresh[l] as GPUBuffer;
        encoder.copyBufferToBuffer(
          from,
          half * this.rows * bytes,
          to,
          half * rows * bytes,
          this.rows * bytes,
        );
      }
    });
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  private async growHead(verdicts: number, topK: number): Promise<void> {
    const { hidden, vocabulary } = this.shape;
    const old = this.head;
    const most = Math.max(topK, this.topK);
    this.head = {
      normed: await this.make((verdicts + margin) * hidden * this.elementBytes, 'normed states'),
      states: await this.make((verdicts + margin) * hidden * 4, 'states'),
      logits: await this.make(Math.max(verdicts, 1) * vocabulary * 4, 'logits'),
      verdicts: await this.make(Math.max(verdicts, 1) * (2 + 2 * most) * 4, 'verdicts'),
    };
    if (old !== undefined) this.drop(Object.values(old));
    this.verdicts = verdicts;
    this.topK = most;
    this.generation++;
  }
}

/** What is needed, with some room to grow when it is more than there is. */
function grown(needed: number, current: number): number {
  return needed <= current ? current : Math.ceil(needed * 1.25);
}

/** What a step needs. */
export function roomOf(step: StepTables, topK: number, columns: number): Room {
  const { rows, verdicts, tables, splits } = step;
  return { rows, verdicts, tableWords: tables.length, parts: splits > 1 ? splits * rows : 0, topK, columns };
}

/** Of a step without rows, with the fewest tokens a verdict. */
export const noRoom: Room = { rows: 0, verdicts: 0, tableWords: 0, parts: 0, topK: 2, columns: 0 };
