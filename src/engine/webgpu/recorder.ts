/** The dispatches of a step, handed to the GPU in parts. */
import type { DispatchTimer, StepKernel } from './dispatch-timer.js';

/**
 * Records dispatches one after the other. Recording a step of 270 takes the host as long as a short step takes the GPU, so
 * what is recorded is submitted in parts: the GPU works on one while the next is recorded.
 */
export class Recorder {
  private encoder: GPUCommandEncoder;
  private pass: GPUComputePassEncoder;

  /** @param timer times each dispatch, where given */
  constructor(
    private readonly device: GPUDevice,
    private readonly timer?: DispatchTimer | undefined,
  ) {
    this.encoder = device.createCommandEncoder();
    this.pass = this.encoder.beginComputePass();
  }

  /** @param kernel what is computed, for those who time it */
  run(kernel: StepKernel, pipeline: GPUComputePipeline, group: GPUBindGroup, x: number, y = 1, z = 1): void {
    if (this.timer !== undefined) {
      this.pass.end();
      this.pass = this.encoder.beginComputePass(this.timer.passOf(kernel, pipeline.label));
    }
    this.pass.setPipeline(pipeline);
    this.pass.setBindGroup(0, group);
    this.pass.dispatchWorkgroups(x, y, z);
  }

  /** Lets the GPU begin with what was recorded. */
  submit(): void {
    this.device.queue.submit([this.finish().finish()]);
    this.encoder = this.device.createCommandEncoder();
    this.pass = this.encoder.beginComputePass();
  }

  /** What was recorded since the last `submit`, for more commands behind it. Nothing can be recorded afterwards. */
  finish(): GPUCommandEncoder {
    this.pass.end();
    return this.encoder;
  }
}
