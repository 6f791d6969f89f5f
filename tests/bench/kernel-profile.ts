/** Where the GPU's and the host's time of a decode step goes, measured on an engine. */
import { median } from '../../src/decode/compare.js';
import type { Engine, StepInput } from '../../src/engine/engine.js';
import type { GpuDevice } from '../../src/engine/webgpu/device.js';
import { DispatchTimer, type TimedWork } from '../../src/engine/webgpu/dispatch-timer.js';

/** Every text has as many cached columns and as many rows: its last token and a draft behind it. */
export interface StepSize {
  texts: number;
  rows: number;
  columns: number;
}

/** All that a step does of one kind. */
export interface KernelTime {
  kernel: TimedWork['kernel'];
  variant: string;
  dispatches: number;
  microseconds: number;
}

/** Microseconds, medians of steps. */
export interface StepProfile extends StepSize {
  /** A step as it is always run, from the call to its verdicts. */
  wall: number;
  /** Of that until the last of its work was handed to the GPU: tables, recording, submitting. */
  host: number;
  /** A step with a timestamp before and after every dispatch: what its dispatches and copies took, together. */
  gpu: number;
  /** Between them, where such a step's GPU waited for the host: it records more slowly than usual. */
  idle: number;
  /** In the order of the model. */
  kernels: KernelTime[];
}

/** Steps before those that are measured: kernels are compiled, and the GPU's clock rises. */
const warmUp = 5;
const topK = 2;

export class KernelProfiler {
  private readonly timer: DispatchTimer;
  /** When work was last handed to the GPU. */
  private submitted = 0;
  /** Slots whose cache holds the prompt of so many columns. */
  private filled = { slots: 0, columns: 0 };

  /** The engine must run on the device, which was opened with timestamps, and have its slots free. */
  constructor(
    private readonly engine: Engine,
    private readonly gpu: GpuDevice,
    private readonly vocabulary: number,
  ) {
    this.timer = new DispatchTimer(gpu.device);
    // the engine says nothing of the moment when it begins to wait: it is that of the last call from outside, too
    const { queue } = gpu.device;
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      submit(buffers);
      this.submitted = performance.now();
    };
  }

  /** Rejects as the engine's steps do. @param steps how many are run, without and with timestamps */
  async profile(size: StepSize, steps: number): Promise<StepProfile> {
    await this.fill(size);
    const walls: number[] = [];
    const hosts: number[] = [];
    await this.run(size, warmUp + steps, async (step, i) => {
      const started = performance.now();
      await step();
      if (i < warmUp) return;
      walls.push((performance.now() - started) * 1000);
      hosts.push((this.submitted - started) * 1000);
    });
    const timed: TimedWork[][] = [];
    await this.run(size, 1 + steps, async (step, i) => {
      const work = await this.timed(step);
      if (i > 0) timed.push(work);
    });
    const kernels = kernelTimes(timed);
    return {
      ...size,
      wall: median(walls),
      host: median(hosts),
      gpu: median(timed.map((work) => sum(work, ({ microseconds }) => microseconds))),
      idle: median(timed.map((work) => sum(work, ({ idle }) => idle))),
      kernels,
    };
  }

  /** What it takes to write two timestamps around nothing, microseconds: a part of every dispatch's time. */
  async emptyPass(): Promise<number> {
    const encoder = this.gpu.device.createCommandEncoder();
    for (let i = 0; i < 64; i++) this.timer.mark(encoder, 'other');
    this.gpu.device.queue.submit([encoder.finish()]);
    const passes = await this.timer.read();
    return median(passes.slice(1).map(({ microseconds }) => microseconds));
  }

  /** The same prompt in every slot, computed once and copied, so that steps begin with full caches. */
  private async fill({ texts, columns }: StepSize): Promise<void> {
    const known = this.filled.columns === columns ? this.filled.slots : 0;
    if (known >= texts) return;
    const prompt = this.promptOf(columns);
    await this.engine.admit(0, prompt);
    await this.engine.step(this.inputs(1, 1), topK);
    for (let slot = 1; slot < texts; slot++) await this.engine.admit(slot, prompt);
    await this.engine.step(this.inputs(texts, 1), topK);
    for (let slot = 0; slot < texts; slot++) this.engine.release(slot);
    this.filled = { slots: texts, columns };
  }

  /** Runs steps behind the prompt; of each text's rows the first is kept, as its last token always is. */
  private async run(
    { texts, rows, columns }: StepSize,
    steps: number,
    around: (step: () => Promise<unknown>, index: number) => Promise<void>,
  ): Promise<void> {
    const prompt = this.promptOf(columns);
    for (let slot = 0; slot < texts; slot++) await this.engine.admit(slot, prompt);
    const inputs = this.inputs(texts, rows);
    for (let i = 0; i < steps; i++) {
      await around(() => this.engine.step(inputs, topK), i);
      for (let slot = 0; slot < texts; slot++) this.engine.keep(slot, [0]);
    }
    for (let slot = 0; slot < texts; slot++) this.engine.release(slot);
  }

  private async timed(step: () => Promise<unknown>): Promise<TimedWork[]> {
    this.gpu.timer = this.timer;
    try {
      await step();
    } finally {
      this.gpu.timer = undefined;
    }
    return this.timer.read();
  }

  /** All but the last id are cached. */
  private promptOf(columns: number): Int32Array {
    return Int32Array.from({ length: columns + 1 }, (_, i) => (i * 7919) % this.vocabulary);
  }

  private inputs(texts: number, rows: number): StepInput[] {
    return Array.from({ length: texts }, (_, slot) => ({
      slot,
      tree: {
        tokens: Int32Array.from({ length: rows }, (_, row) => (slot * 31 + row * 6101) % this.vocabulary),
        parents: Int32Array.from({ length: rows }, (_, row) => row - 1),
      },
    }));
  }
}

/** Medians over steps, each of which does the same. */
function kernelTimes(steps: readonly (readonly TimedWork[])[]): KernelTime[] {
  const [first = []] = steps;
  const kinds = new Map(first.map(({ kernel, variant }) => [kernel, variant]));
  return [...kinds].map(([kernel, variant]) => {
    const own = (work: readonly TimedWork[]) => work.filter((entry) => entry.kernel === kernel);
    return {
      kernel,
      variant,
      dispatches: own(first).length,
      microseconds: median(steps.map((work) => sum(own(work), ({ microseconds }) => microseconds))),
    };
  });
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
