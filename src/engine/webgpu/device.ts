/**
 * A GPU through WebGPU (Dawn's binding for Node). The kernels are our own: ONNX Runtime's WebGPU provider spends about
 * 25 us of the host on every operator, a plain dispatch costs 4 (H100, measured with 250 dependent dispatches).
 */
import { create, globals } from 'webgpu';
import type { Weights } from '../../config/schema.js';
import { DareError, inputError, messageOf, runError } from '../../errors.js';
import { checkAdapter, isBusId } from './adapter.js';
import { type DispatchTimer, timestampFeature } from './dispatch-timer.js';

/** Chromium keeps these behind switches: float16 on NVIDIA, and subgroup matrices (tensor cores). */
const toggles = [
  'allow_unsafe_apis',
  'vulkan_enable_f16_on_nvidia',
  // the kernels keep inside their buffers; clamping every index costs time
  'disable_robustness',
  // they write workgroup memory before they read it; zeroing it takes SwiftShader most of a step, and seconds to compile
  'disable_workgroup_init',
];
const wanted = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as const;
const limits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxStorageBuffersPerShaderStage',
] as const;

/** What GPUAdapterInfo has beyond the types of the standard. */
interface MatrixConfig {
  M: number;
  N: number;
  K: number;
  componentType: string;
  resultComponentType: string;
}

export class GpuDevice {
  /** Set when the device is gone: everything in flight failed. */
  private lost: string | undefined;
  /** The first call that was refused: a defect of ours, and nothing computed since means anything. */
  private invalid: string | undefined;
  /** Times what steps do, for as long as it is set. */
  timer: DispatchTimer | undefined;

  private constructor(
    /** Dawn lives as long as this object. */
    readonly gpu: GPU,
    readonly device: GPUDevice,
    /** Name, driver: what decides how the kernels compute. */
    readonly name: string,
    /** Whether a CPU plays the GPU (SwiftShader): fit for tests. */
    readonly emulated: boolean,
    /** Whether the kernels compute with float16 weights and activations. */
    readonly half: boolean,
    /** Whether 16 x 16 x 16 float16 matrices with float32 sums can be multiplied by subgroups of 32. */
    readonly matrices: boolean,
  ) {
    void device.lost.then((info) => {
      this.lost = info.message === '' ? info.reason : info.message;
    });
    // an error scope around every step would cost a round trip to the GPU's process
    device.addEventListener('uncapturederror', (event) => {
      this.invalid ??= (event as GPUUncapturedErrorEvent).error.message;
    });
  }

  /**
   * Opens a GPU.
   * @param adapter a part of the adapter's name as Dawn lists it, or the PCI bus id that `preferAdapter` was given; the
   *   system's first choice when left out
   * @param weights auto: float16 where the GPU has it
   * @param timed whether a DispatchTimer can be used on it, where the GPU has timestamps
   * Throws inputError when there is none, with the adapters that there are, or none with that arithmetic.
   */
  static async open(adapter?: string, weights: Weights = 'auto', timed = false): Promise<GpuDevice> {
    Object.assign(globalThis, globals);
    const options = [`enable-dawn-features=${toggles.join(',')}`];
    // they would be rounded to a tenth of a millisecond
    if (timed) options.push('disable-dawn-features=timestamp_quantization');
    const atBus = adapter !== undefined && isBusId(adapter);
    if (adapter !== undefined && !atBus) options.push(`adapter=${adapter}`);
    let gpu: GPU;
    let found: GPUAdapter | null;
    try {
      gpu = create(options);
      found = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    } catch (error) {
      throw noAdapter(error, adapter);
    }
    if (found === null) throw inputError('No GPU can be used: WebGPU finds no adapter', noGpu);
    checkWeights(weights, found);
    const useful = [...wanted, ...(timed ? [timestampFeature] : [])];
    const features = useful.filter((name) => found.features.has(name)) as GPUFeatureName[];
    const device = await found.requestDevice({
      requiredFeatures: features,
      requiredLimits: Object.fromEntries(limits.map((name) => [name, found.limits[name]])),
    });
    if (atBus) {
      try {
        checkAdapter(adapter);
      } catch (error) {
        device.destroy();
        throw error;
      }
    }
    const { info } = found;
    const configs =
      (info as GPUAdapterInfo & { subgroupMatrixConfigs?: MatrixConfig[] }).subgroupMatrixConfigs ?? [];
    const half = weights !== 'float32' && found.features.has('shader-f16');
    const matrices = configs.some(
      ({ M, N, K, componentType, resultComponentType }) =>
        M === 16 && N === 16 && K === 16 && componentType === 'f16' && resultComponentType === 'f32',
    );
    const wide = info.subgroupMinSize === 32 && info.subgroupMaxSize === 32;
    const name = `${info.device} (${info.description})`;
    return new GpuDevice(gpu, device, name, info.isFallbackAdapter, half, half && matrices && wide);
  }

  /**
   * A buffer that kernels read and write. Throws runError when the device has no memory for it.
   * @param hint what to do then
   */
  async storage(bytes: number, label: string, hint = 'Lower decode.concurrency.'): Promise<GPUBuffer> {
    const { device } = this;
    const most = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
    if (bytes > most)
      throw runError(`The GPU takes buffers of up to ${most} bytes, ${label} needs ${bytes}`, hint);
    device.pushErrorScope('out-of-memory');
    const buffer = device.createBuffer({
      label,
      size: Math.ceil(bytes / 16) * 16,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    const error = await device.popErrorScope();
    if (error !== null) throw runError(`The GPU has no ${bytes} bytes left for ${label}`, hint);
    return buffer;
  }

  /** Runs work that waits for the GPU; its failures become one error, that of a lost device among them. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await work();
    } catch (error) {
      if (this.lost !== undefined) throw this.lostError(error);
      if (error instanceof DareError) throw error;
      throw runError(`The GPU failed: ${messageOf(error)}`, undefined, error);
    }
    if (this.lost !== undefined) throw this.lostError();
    if (this.invalid !== undefined) throw runError(`The GPU refused a step: ${this.invalid}`);
    return result;
  }

  /** Gives the GPU back. Fine to call again. */
  async close(): Promise<void> {
    this.device.destroy();
    await this.device.lost;
  }

  private lostError(cause?: unknown) {
    return runError(
      `The GPU ${this.name} was lost: ${this.lost}`,
      'Start again: the output of earlier runs is as it was.',
      cause,
    );
  }
}

/** Dawn's message has lines that list the adapters. */
function noAdapter(error: unknown, adapter: string | undefined): DareError {
  const [first = '', ...lines] = messageOf(error).split('\n');
  const names = lines.flatMap((line) => line.match(/name: '(.*)'/)?.slice(1) ?? []);
  if (adapter === undefined || names.length === 0)
    return inputError(`No GPU can be used: ${first}`, noGpu, error);
  return inputError(
    `No GPU has "${adapter}" in its name (found: ${names.join(', ')})`,
    'model.adapter must be a part of such a name, in the same case, or a PCI bus id; leave it out to take the first.',
    error,
  );
}

function checkWeights(weights: Weights, { features, info }: GPUAdapter): void {
  if (weights === 'int8' || weights === 'int4') {
    throw inputError(`Weights of ${weights} are for CPUs`, 'Set model.weights to auto, float16 or float32.');
  }
  if (weights === 'float16' && !features.has('shader-f16')) {
    throw inputError(
      `The GPU ${info.device} has no float16 arithmetic`,
      'Set model.weights to auto or float32.',
    );
  }
}

const noGpu =
  'model.device webgpu needs a GPU with a Vulkan driver (Linux), Metal or Direct3D 12; cpu needs none.';
