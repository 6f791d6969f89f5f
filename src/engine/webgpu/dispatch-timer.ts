/** GPU time of what a step does, dispatch by dispatch, by WebGPU's timestamp queries: for benchmarks. */
import { inputError } from '../../errors.js';

/** The feature of an adapter and a device that it needs. */
export const timestampFeature = 'timestamp-query';

/** What a dispatch computes, by its place in the model. */
export type StepKernel =
  | 'embedding'
  | 'qkv'
  | 'norms of heads'
  | 'attention'
  | 'attention join'
  | 'attention output'
  | 'gate and up'
  | 'down'
  | 'final norm'
  | 'vocabulary head'
  | 'verdicts';

/** What is timed beside dispatches. */
export type Marked = 'read-back' | 'other';

export interface TimedWork {
  kernel: StepKernel | Marked;
  /** The pipeline's label: which of several kernels computes it. Empty for copies. */
  variant: string;
  microseconds: number;
  /** Between the end of what came before and the beginning, where the GPU waited for the host: 0 for the first. */
  idle: number;
}

/** Timestamps of a query set, the most that WebGPU allows; two for each pass. */
const mostTimestamps = 4096;

/**
 * Gives every dispatch a compute pass of its own, between timestamps. It makes a step somewhat longer: the host records more,
 * and the GPU writes the timestamps. Nothing is timed unless a device holds one (`GpuDevice.timer`).
 */
export class DispatchTimer {
  private readonly queries: GPUQuerySet;
  private readonly passes: Pick<TimedWork, 'kernel' | 'variant'>[] = [];

  /** Throws inputError when the device was opened without timestamps, as those of GPUs that have none are. */
  constructor(private readonly device: GPUDevice) {
    if (!device.features.has(timestampFeature))
      throw inputError('The GPU has no timestamps, or was opened without them');
    this.queries = device.createQuerySet({ type: 'timestamp', count: mostTimestamps });
  }

  /** The pass of one dispatch. */
  passOf(kernel: TimedWork['kernel'], variant: string): GPUComputePassDescriptor {
    const first = 2 * this.passes.length;
    if (first + 2 > mostTimestamps) throw new Error('more passes than timestamps: read() after every step');
    this.passes.push({ kernel, variant });
    return {
      timestampWrites: {
        querySet: this.queries,
        beginningOfPassWriteIndex: first,
        endOfPassWriteIndex: first + 1,
      },
    };
  }

  /** Times the copies that were encoded since the last pass or mark, by an empty pass behind them. */
  mark(encoder: GPUCommandEncoder, what: Marked): void {
    encoder.beginComputePass(this.passOf(what, '')).end();
  }

  /** What was timed since the last call, in its order. Waits for the GPU. */
  async read(): Promise<TimedWork[]> {
    const passes = this.passes.splice(0);
    if (passes.length === 0) return [];
    const bytes = passes.length * 16;
    const { device } = this;
    const found = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const reading = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = device.createCommandEncoder();
    encoder.resolveQuerySet(this.queries, 0, passes.length * 2, found, 0);
    encoder.copyBufferToBuffer(found, 0, reading, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await reading.mapAsync(GPUMapMode.READ);
    const times = new BigUint64Array(reading.getMappedRange().slice(0));
    found.destroy();
    reading.destroy();
    return timesOf(passes, times);
  }
}

/**
 * @param times nanoseconds, of each pass its beginning and its end. Drivers may write a beginning while the work before is still
 *   under way, so a pass counts from the end of that at the earliest.
 */
export function timesOf(
  passes: readonly Pick<TimedWork, 'kernel' | 'variant'>[],
  times: BigUint64Array,
): TimedWork[] {
  const first = times[0] as bigint;
  const since = (at: number) => Number((times[at] as bigint) - first) / 1000;
  let before = 0;
  return passes.map(({ kernel, variant }, i) => {
    // copies stand before the pass that marks their end
    const begun = variant === '' ? before : Math.max(before, since(2 * i));
    const end = Math.max(begun, since(2 * i + 1));
    const idle = begun - before;
    before = end;
    return { kernel, variant, microseconds: end - begun, idle };
  });
}
