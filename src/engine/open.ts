/**
 * Which device decodes: the GPU when there is one, or what the configuration says. Engines are loaded only where they are
 * used: each brings a native library.
 */
import { existsSync, readdirSync } from 'node:fs';
import type { Device, Weights } from '../config/schema.js';
import { inputError, messageOf } from '../errors.js';
import { cpuWeights } from '../model/linear.js';
import { findStock, type StockPlace } from '../model/stock-place.js';
import { requireCuda } from './cuda.js';
import type { Engine } from './engine.js';
import type { GpuDevice } from './webgpu/device.js';
import { unsupportedOnGpu } from './webgpu/support.js';

export interface EngineOptions {
  /** Hugging Face folder, with weights or with a stock ONNX decoder, or GGUF or ONNX file. */
  model: string;
  /** Folder for converted models. */
  cache: string;
  /** Sequences decoded together; undefined: by device. */
  slots: number | undefined;
  /** Tokens of the longest text with its prompt, where that is known. */
  columns?: number | undefined;
  /** CPU threads of one operator; 0: all cores. */
  threads: number;
  device: Device;
  /** `auto` if left out: float32 on a CPU, float16 on a GPU that has it. */
  weights?: Weights;
  /** A part of the GPU's name or its PCI bus id, where there are several. */
  adapter?: string | undefined;
}

export interface OpenedEngine {
  engine: Engine;
  /** What decodes, for people: the device, and why it was chosen where nobody said it. */
  device: string;
  /** The device alone. */
  hardware: string;
  /** The weight type that it computes with. */
  weights: Exclude<Weights, 'auto'>;
}

/** Texts decoded together on a CPU: more rows a step help until the arithmetic, not the weights' way, is the limit. */
export const cpuSlots = 16;

/**
 * Opens the engine. `auto` takes a GPU that isn't emulated, where the model's family runs on one, else the CPU.
 * Throws as the engines do.
 */
export async function openEngine(options: EngineOptions): Promise<OpenedEngine> {
  const { model, cache, device, weights } = options;
  const stock = findStock(model);
  if (stock !== undefined) return openStock(options, stock);
  // a GPU that is named is meant: no other device takes its place
  const isNamed = device === 'auto' && options.adapter !== undefined;
  if (device === 'webgpu' || isNamed) return openGpu(options, await openDevice(options), '');
  if (device === 'cpu') return openCpu(options, '');
  if (device === 'cuda') return openCuda(options);
  if (weights === 'int8' || weights === 'int4') return openCpu(options, ` (${weights} weights are for CPUs)`);
  if (!mayHaveGpu()) return openCpu(options, ' (no GPU driver is installed)');
  let gpu: GpuDevice;
  try {
    gpu = await openDevice(options);
  } catch (error) {
    return openCpu(options, ` (${messageOf(error)})`);
  }
  try {
    const refusal = gpu.emulated ? 'the only GPU is an emulated one' : unsupportedOnGpu(model, cache);
    if (refusal === undefined) return await openGpu(options, gpu, ' (the fastest device found)');
    await gpu.close();
    return await openCpu(options, ` (${refusal})`);
  } catch (error) {
    await gpu.close();
    throw error;
  }
}

async function openDevice({ adapter, weights }: EngineOptions): Promise<GpuDevice> {
  const { GpuDevice } = await import('./webgpu/device.js');
  return GpuDevice.open(adapter, weights);
}

async function openCpu(options: EngineOptions, why: string): Promise<OpenedEngine> {
  const { CpuEngine } = await import('./cpu.js');
  const { model, cache, threads } = options;
  const weights = cpuWeights(options.weights ?? 'auto');
  const slots = options.slots ?? cpuSlots;
  const engine = await CpuEngine.open({ model, cache, threads, slots, weights });
  return { engine, device: `cpu${why}`, hardware: 'cpu', weights };
}

async function openCuda(options: EngineOptions): Promise<OpenedEngine> {
  const { model, cache, threads, weights = 'auto' } = options;
  if (weights !== 'auto' && weights !== 'float32')
    throw inputError(`With CUDA weights are float32, not ${weights}`, 'Set model.weights to auto.');
  requireCuda();
  const { CpuEngine } = await import('./cpu.js');
  const slots = options.slots ?? cpuSlots;
  const engine = await CpuEngine.open({ model, cache, threads, slots, provider: 'cuda' });
  return {
    engine,
    hardware: 'cuda',
    device: 'cuda (the cache of keys and values stays with the CPU: webgpu is faster)',
    weights: 'float32',
  };
}

async function openStock(options: EngineOptions, place: StockPlace): Promise<OpenedEngine> {
  const { threads, device, weights = 'auto' } = options;
  const { file } = place;
  if (device === 'webgpu' || device === 'cuda')
    throw inputError(
      `The stock ONNX decoder ${file} runs on the CPU only`,
      'Set model.device to auto or cpu.',
    );
  if (weights !== 'auto' && weights !== 'float32') {
    throw inputError(
      `The stock ONNX decoder ${file} has the weights that it was exported with, and can't have ${weights}`,
      'Set model.weights to auto.',
    );
  }
  const { StockEngine } = await import('./stock.js');
  const engine = await StockEngine.open({ place, threads, slots: options.slots ?? cpuSlots });
  return { engine, device: 'cpu (a stock ONNX decoder)', hardware: 'cpu', weights: 'float32' };
}

async function openGpu(options: EngineOptions, gpu: GpuDevice, why: string): Promise<OpenedEngine> {
  const { WebGpuEngine } = await import('./webgpu/engine.js');
  const { model, cache, slots, columns } = options;
  const engine = await WebGpuEngine.open({ model, cache, slots, columns }, gpu);
  const hardware = `webgpu, ${gpu.name}`;
  return { engine, device: `${hardware}${why}`, hardware, weights: engine.weights };
}

/** Whether a Vulkan driver is listed (Linux): without one Dawn only fills the screen with warnings. */
function mayHaveGpu(): boolean {
  if (process.platform !== 'linux') return true;
  if (process.env.VK_DRIVER_FILES !== undefined || process.env.VK_ICD_FILENAMES !== undefined) return true;
  const folders = ['/etc', '/usr/share', '/usr/local/share', '/usr/local/etc'];
  return folders.some((folder) => {
    const drivers = `${folder}/vulkan/icd.d`;
    return existsSync(drivers) && readdirSync(drivers).some((file) => file.endsWith('.json'));
  });
}
