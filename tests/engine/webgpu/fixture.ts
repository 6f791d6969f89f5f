/** Engines on a GPU, a real or an emulated one, and models that are small enough for the latter. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Weights } from '../../../src/config/schema.js';
import { CpuEngine } from '../../../src/engine/cpu.js';
import type { Engine, TreeRows } from '../../../src/engine/engine.js';
import { GpuDevice } from '../../../src/engine/webgpu/device.js';
import { WebGpuEngine } from '../../../src/engine/webgpu/engine.js';
import { lacking } from '../../lacking.js';
import { type FamilyCase, writeModel } from '../../model/fixture.js';
import { cache } from '../../model-cache.js';
import './unhurried.js';

/** Of Debian's package chromium: a GPU played by the CPU. */
export const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
export const hasSwiftShader = existsSync(swiftShader);
// a driver that was chosen already may be that of a real GPU; of the two variables the first one wins
const { VK_DRIVER_FILES: first, VK_ICD_FILENAMES: second } = process.env;
delete process.env.VK_DRIVER_FILES;
const driver = first ?? second ?? swiftShader;
process.env.VK_ICD_FILENAMES = driver;

/** Whether there is a Vulkan driver; without one the tests say so and do nothing. */
export const hasGpu = existsSync(driver.split(':')[0] as string);
/** Says that nothing of WebGPU is tested. */
export const withoutGpu = () => lacking('gpu', `apt-get install chromium libvulkan1 (${driver})`);
/** float16 on a GPU that has it: the kernels for subgroup matrices, which SwiftShader can't run. */
export const weights: Weights = process.env.DARE_TEST_GPU_WEIGHTS === 'float16' ? 'float16' : 'float32';
/** Logits, probabilities and hidden states may differ by this much between devices that add in different orders. */
export const tolerance = weights === 'float16' ? 0.1 : 1e-3;

const folder = mkdtempSync(join(tmpdir(), 'dare-webgpu-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let folders = 0;

export { cache };

/** The name of a folder that isn't there yet; it is removed in the end. */
export const someFolder = (): string => join(folder, `${folders++}`);

/** Writes a model; returns its folder. */
export function writeFamily(model: FamilyCase): string {
  const path = someFolder();
  writeModel(path, model);
  return path;
}

export async function openGpu(model: string, slots: number): Promise<WebGpuEngine> {
  return WebGpuEngine.open({ model, cache, slots }, await GpuDevice.open(undefined, weights));
}

export function openCpu(model: string, slots: number): Promise<CpuEngine> {
  return CpuEngine.open({ model, cache, slots, threads: 1 });
}

/** Does the work with engines of both devices, and closes them. */
export async function withEngines(
  model: string,
  slots: number,
  work: (gpu: Engine, cpu: Engine) => Promise<void>,
): Promise<void> {
  const cpu = await openCpu(model, slots);
  const gpu = await openGpu(model, slots);
  try {
    await work(gpu, cpu);
  } finally {
    await gpu.close();
    await cpu.close();
  }
}

export interface LlamaSizes {
  hidden: number;
  intermediate: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  vocabulary: number;
  context: number;
}

export const smallest: LlamaSizes = {
  hidden: 32,
  intermediate: 48,
  heads: 2,
  kvHeads: 1,
  headSize: 16,
  vocabulary: 67,
  context: 128,
};

/** A Llama model of one layer. */
export function llama(sizes: LlamaSizes): FamilyCase {
  const { hidden, intermediate, heads, kvHeads, headSize, vocabulary, context } = sizes;
  const layer = 'model.layers.0';
  const [queries, keys] = [heads * headSize, kvHeads * headSize];
  return {
    name: JSON.stringify(sizes),
    config: {
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_act: 'silu',
      hidden_size: hidden,
      intermediate_size: intermediate,
      num_hidden_layers: 1,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      head_dim: headSize,
      vocab_size: vocabulary,
      max_position_embeddings: context,
      rms_norm_eps: 1e-5,
      rope_theta: 10_000,
      tie_word_embeddings: false,
    },
    tensors: {
      'model.embed_tokens.weight': [vocabulary, hidden],
      [`${layer}.input_layernorm.weight`]: [hidden],
      [`${layer}.self_attn.q_proj.weight`]: [queries, hidden],
      [`${layer}.self_attn.k_proj.weight`]: [keys, hidden],
      [`${layer}.self_attn.v_proj.weight`]: [keys, hidden],
      [`${layer}.self_attn.o_proj.weight`]: [hidden, queries],
      [`${layer}.post_attention_layernorm.weight`]: [hidden],
      [`${layer}.mlp.gate_proj.weight`]: [intermediate, hidden],
      [`${layer}.mlp.up_proj.weight`]: [intermediate, hidden],
      [`${layer}.mlp.down_proj.weight`]: [hidden, intermediate],
      'model.norm.weight': [hidden],
      'lm_head.weight': [vocabulary, hidden],
    },
    top5: [],
    greedy: [],
  };
}

/** Ids that look random and are always the same. */
export function someIds(count: number, vocabulary: number, seed = 1): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * i * 31 + i * 17 + seed * 101) % vocabulary);
}

/** A tree below `last` whose shape is neither a chain nor a star. */
export function someTree(last: number, rows: number, vocabulary: number, seed = 1): TreeRows {
  const tokens = someIds(rows, vocabulary, seed);
  tokens[0] = last;
  const parents = Int32Array.from({ length: rows }, (_, i) =>
    i === 0 ? -1 : Math.max(0, i - 1 - ((i * seed) % 4)),
  );
  return { tokens, parents };
}
