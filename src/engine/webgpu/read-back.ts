/** The way of a step's results from the GPU. */
import type { DispatchTimer } from './dispatch-timer.js';

/** A buffer, and how many of its bytes are wanted: a multiple of 4. */
export interface Wanted {
  from: GPUBuffer;
  bytes: number;
}

/** Reads several buffers at once: each transfer of its own would cost a round trip. */
export class ReadBack {
  private reading: GPUBuffer | undefined;

  constructor(private readonly device: GPUDevice) {}

  /** Submits what was encoded and waits for the buffers' float32 numbers. */
  async read(
    encoder: GPUCommandEncoder,
    wanted: readonly Wanted[],
    timer?: DispatchTimer | undefined,
  ): Promise<Float32Array[]> {
    const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
    const reading = this.bufferOf(total);
    let at = 0;
    for (const { from, bytes } of wanted) {
      if (bytes > 0) encoder.copyBufferToBuffer(from, 0, reading, at, bytes);
      at += bytes;
    }
    timer?.mark(encoder, 'read-back');
    this.device.queue.submit([encoder.finish()]);
    await reading.mapAsync(GPUMapMode.READ, 0, total);
    const copy = reading.getMappedRange(0, total).slice(0);
    reading.unmap();
    let start = 0;
    return wanted.map(({ bytes }) => {
      const numbers = new Float32Array(copy, start, bytes / 4);
      start += bytes;
      return numbers;
    });
  }

  private bufferOf(bytes: number): GPUBuffer {
    if (this.reading !== undefined && this.reading.size >= bytes) return this.reading;
    this.reading?.destroy();
    this.reading = this.device.createBuffer({
      size: Math.ceil((bytes * 1.5) / 16) * 16,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    return this.reading;
  }
}
