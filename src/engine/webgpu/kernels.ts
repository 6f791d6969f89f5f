/** WGSL sources -> compute pipelines. A kernel is one or more files of kernels/, after the constants it is made for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runError } from '../../errors.js';
import { packageRoot } from '../../paths.js';
import type { GpuDevice } from './device.js';

export const kernelFolder = join(packageRoot, 'src/engine/webgpu/kernels');

/** Whole numbers become u32 constants; a float is given as text ("1.5"). */
export type Constants = Record<string, string | number | boolean>;

export interface KernelSpec {
  /** Joined in this order. */
  files: readonly string[];
  /** One letter a binding: u uniform, r read-only storage, w storage. */
  bindings: string;
  constants?: Constants;
  types?: Record<string, string>;
}

/** Compiles kernels, each combination of files and constants once. */
export class Kernels {
  private readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  private readonly layouts = new Map<string, GPUBindGroupLayout>();

  constructor(private readonly gpu: GpuDevice) {}

  /** The type of weights and activations. */
  get element(): 'f16' | 'f32' {
    return this.gpu.half ? 'f16' : 'f32';
  }

  /** Throws runError with the compiler's words: a defect of a kernel or of the driver. */
  pipeline(spec: KernelSpec): Promise<GPUComputePipeline> {
    // every step asks for its linear layers' kernels: a known one costs no look at its files
    const key = JSON.stringify(spec);
    let pipeline = this.pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.compile(spec, this.source(spec));
      this.pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /** Buffers in the order of the bindings. Kernels with the same bindings can share it. */
  bind(bindings: string, ...buffers: GPUBuffer[]): GPUBindGroup {
    return this.gpu.device.createBindGroup({
      layout: this.layout(bindings),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
  }

  private layout(bindings: string): GPUBindGroupLayout {
    let layout = this.layouts.get(bindings);
    if (layout === undefined) {
      const types = { u: 'uniform', r: 'read-only-storage', w: 'storage' } as const;
      layout = this.gpu.device.createBindGroupLayout({
        entries: [...bindings].map((letter, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: types[letter as keyof typeof types] },
        })),
      });
      this.layouts.set(bindings, layout);
    }
    return layout;
  }

  private source({ files, constants = {}, types = {} }: KernelSpec): string {
    const lines = this.gpu.half ? ['enable f16;'] : [];
    if (files.some((file) => file.includes('-matrix'))) {
      lines.push('enable subgroups;', 'enable chromium_experimental_subgroup_matrix;');
      // the compiler can't see that threads of a subgroup agree on what is computed from their index
      lines.push('diagnostic(off, chromium.subgroup_matrix_uniformity);');
    }
    lines.push(`alias E = ${this.element};`);
    // float16 ends at 65504, states of some models don't; what gets lost below 1e-6 is nothing beside numbers of that size
    lines.push(`const SHRINK = ${this.gpu.half ? '0.015625' : '1.0'};`);
    for (const [name, type] of Object.entries(types)) lines.push(`alias ${name} = ${type};`);
    for (const [name, value] of Object.entries(constants)) lines.push(`const ${name} = ${literal(value)};`);
    return [...lines, ...files.map((file) => readFileSync(join(kernelFolder, `${file}.wgsl`), 'utf8'))].join(
      '\n',
    );
  }

  private async compile({ files, bindings }: KernelSpec, code: string): Promise<GPUComputePipeline> {
    const { device } = this.gpu;
    const name = files[files.length - 1] as string;
    const module = device.createShaderModule({ label: name, code });
    const { messages } = await module.getCompilationInfo();
    const error = messages.find(({ type }) => type === 'error');
    if (error !== undefined) {
      const line = code.split('\n')[error.lineNum - 1]?.trim();
      throw runError(`The kernel ${name} does not compile: ${error.message} (at "${line}")`);
    }
    try {
      return await device.createComputePipelineAsync({
        label: name,
        layout: device.createPipelineLayout({ bindGroupLayouts: [this.layout(bindings)] }),
        compute: { module, entryPoint: 'main' },
      });
    } catch (cause) {
      throw runError(`The GPU's driver refuses the kernel ${name}: ${String(cause)}`, undefined, cause);
    }
  }
}

function literal(value: string | number | boolean): string {
  return typeof value === 'number' ? `${value}u` : String(value);
}
