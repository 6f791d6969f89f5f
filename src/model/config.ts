import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { inputError } from '../errors.js';
import { unreadable } from '../unreadable.js';
import { configFault } from './config-fault.js';
import { type GemmaShape, gemmaArchitecture, layerCount, readGemma } from './gemma.js';
import type { RopeScaling } from './rope.js';

/** Sizes and variants of a decoder with RMS norms, rotary positions, grouped queries and a SwiGLU network. */
export interface DecoderShape {
  /** Name of the class in Hugging Face transformers. */
  architecture: string;
  layers: number;
  hidden: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  intermediate: number;
  vocabulary: number;
  /** Positions of a sequence, prompt and output together: what the model was trained for, but at most its window. */
  context: number;
  /** Width of the sliding attention window, where it is what limits `context`. */
  window?: number;
  ropeBase: number;
  ropeScaling?: RopeScaling;
  normEpsilon: number;
  tiedEmbeddings: boolean;
  /** Whether the projections to queries, keys and values have biases. */
  qkvBias: boolean;
  /** Whether the projection after attention has a bias. */
  attentionOutBias: boolean;
  mlpBias: boolean;
  /** Whether each query and key head gets an RMS norm before its rotation. */
  qkNorm: boolean;
  /** Of Gemma 3 alone. */
  gemma?: GemmaShape;
}

const size = z.number().int().positive().max(10_000_000);
/** null, as some exporters write it, is as good as absent. */
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  /** The key's name in older files. */
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: size.optional(),
  partial_rotary_factor: z.number().optional(),
});
const schema = z.object({
  architectures: z.array(z.string()).min(1),
  hidden_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  intermediate_size: size,
  vocab_size: size,
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  partial_rotary_factor: z.number().nullish(),
  tie_word_embeddings: flag,
  attention_bias: flag,
  mlp_bias: flag,
  hidden_act: z.string().default('silu'),
  sliding_window: size.nullish(),
  use_sliding_window: flag,
  max_window_layers: z.number().int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
  quantization_config: z.looseObject({ quant_method: z.string().optional() }).nullish(),
});
type ModelConfig = z.infer<typeof schema>;

/** What the classes of transformers do differently, apart from what their config.json says. */
interface Family {
  qkvBias: (config: ModelConfig) => boolean;
  attentionOutBias: (config: ModelConfig) => boolean;
  mlpBias: (config: ModelConfig) => boolean;
  qkNorm: boolean;
  /** Whether `sliding_window` counts. */
  windowed: (config: ModelConfig) => boolean;
  /** The only activation that its graph has. */
  activation: string;
  /** Where config.json lacks them. */
  window?: number;
  kvHeads?: number;
  headSize?: number;
}

const never = () => false;
const families: Readonly<Record<string, Family>> = {
  LlamaForCausalLM: {
    qkvBias: (config) => config.attention_bias,
    attentionOutBias: (config) => config.attention_bias,
    mlpBias: (config) => config.mlp_bias,
    qkNorm: false,
    windowed: never,
    activation: 'silu',
  },
  MistralForCausalLM: {
    qkvBias: never,
    attentionOutBias: never,
    mlpBias: never,
    qkNorm: false,
    windowed: () => true,
    window: 4096,
    kvHeads: 8,
    activation: 'silu',
  },
  Qwen2ForCausalLM: {
    qkvBias: () => true,
    attentionOutBias: never,
    mlpBias: never,
    qkNorm: false,
    windowed: (config) => config.use_sliding_window,
    kvHeads: 32,
    activation: 'silu',
  },
  Qwen3ForCausalLM: {
    qkvBias: (config) => config.attention_bias,
    attentionOutBias: (config) => config.attention_bias,
    mlpBias: never,
    qkNorm: true,
    windowed: (config) => config.use_sliding_window,
    kvHeads: 32,
    activation: 'silu',
    headSize: 128,
  },
  [gemmaArchitecture]: {
    qkvBias: (config) => config.attention_bias,
    attentionOutBias: (config) => config.attention_bias,
    mlpBias: never,
    qkNorm: true,
    windowed: never,
    kvHeads: 4,
    activation: 'gelu_pytorch_tanh',
  },
};

/** Architectures that the decoder graph can express, as config.json names them. */
export const supportedArchitectures = Object.keys(families);

/**
 * Reads `<folder>/config.json`.
 * Throws inputError when it is missing or broken, or names something that the decoder graph can't express.
 */
export function readModelConfig(folder: string): DecoderShape {
  const file = join(folder, 'config.json');
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw unreadable(
      error,
      `The model's ${file}`,
      'model.path must be a Hugging Face folder with config.json, tokenizer.json and model.safetensors.',
    );
  }
  const named = (json as { architectures?: unknown } | null)?.architectures;
  const architecture: unknown = Array.isArray(named) ? named[0] : undefined;
  const family = Object.hasOwn(families, String(architecture)) ? families[String(architecture)] : undefined;
  if (family === undefined) {
    const known = `${supportedArchitectures.slice(0, -1).join(', ')} and ${supportedArchitectures.at(-1)}`;
    throw typeof architecture === 'string'
      ? inputError(`The architecture ${architecture} of ${file} isn't supported; ${known} are`)
      : inputError(
          `${file} names no architecture: its key architectures must be a list with one`,
          `Supported are ${known}.`,
        );
  }
  const { gemma, common } =
    architecture === gemmaArchitecture ? readGemma(json as object, file) : { gemma: undefined, common: json };
  const parsed = schema.safeParse(common);
  if (!parsed.success) {
    throw inputError(
      configFault(file, common, parsed.error),
      `Is this the config.json of one of ${supportedArchitectures.join(', ')}?`,
    );
  }
  const shape = { ...shapeOf(parsed.data, family), ...(gemma === undefined ? {} : { gemma }) };
  const refusal = unsupported(parsed.data, family, shape);
  if (refusal !== undefined) throw inputError(`The model ${folder} isn't supported: ${refusal}`);
  return shape;
}

function shapeOf(config: ModelConfig, family: Family): DecoderShape {
  const rope = config.rope_scaling ?? config.rope_parameters;
  const scaling = ropeScaling(config);
  const window = slidingWindow(config, family);
  const limited = window !== undefined && window < config.max_position_embeddings;
  return {
    architecture: config.architectures[0] as string,
    layers: config.num_hidden_layers,
    hidden: config.hidden_size,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads ?? family.kvHeads ?? config.num_attention_heads,
    headSize: config.head_dim ?? family.headSize ?? config.hidden_size / config.num_attention_heads,
    intermediate: config.intermediate_size,
    vocabulary: config.vocab_size,
    context: limited ? window : config.max_position_embeddings,
    ...(limited ? { window } : {}),
    ropeBase: rope?.rope_theta ?? config.rope_theta ?? 10_000,
    ...(typeof scaling === 'object' ? { ropeScaling: scaling } : {}),
    normEpsilon: config.rms_norm_eps,
    tiedEmbeddings: config.tie_word_embeddings,
    qkvBias: family.qkvBias(config),
    attentionOutBias: family.attentionOutBias(config),
    mlpBias: family.mlpBias(config),
    qkNorm: family.qkNorm,
  };
}

/** The scaling, undefined for none, or why it can't be had. */
function ropeScaling(config: ModelConfig): RopeScaling | string | undefined {
  const rope = config.rope_scaling ?? config.rope_parameters;
  if (rope == null) return undefined;
  const type = rope.rope_type ?? rope.type;
  if (type === 'default' || (type === undefined && rope.factor === undefined)) return undefined;
  if (type !== 'linear' && type !== 'llama3') {
    return `it scales its rotary positions by ${type ?? 'an unnamed rule'}; linear and llama3 are supported`;
  }
  const { factor } = rope;
  if (factor === undefined) return `its ${type} rope scaling has no factor`;
  if (type === 'linear') return { type, factor };
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = rope;
  if (low === undefined || high === undefined || original === undefined || low >= high) {
    return 'its llama3 rope scaling lacks low_freq_factor < high_freq_factor and original_max_position_embeddings';
  }
  return { type, factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: original };
}

/** Width of the attention window that some layer has, in tokens; a sequence within it sees everything. */
function slidingWindow(config: ModelConfig, family: Family): number | undefined {
  const { sliding_window: window = family.window } = config;
  if (window == null || !family.windowed(config)) return undefined;
  const { layer_types: types, max_window_layers: full } = config;
  if (types != null) return types.includes('sliding_attention') ? window : undefined;
  return full != null && full >= config.num_hidden_layers ? undefined : window;
}

/** What the decoder graph can't express in this configuration, or undefined. */
function unsupported(config: ModelConfig, family: Family, shape: DecoderShape): string | undefined {
  const scaling = ropeScaling(config);
  const quantised = config.quantization_config;
  const rotated = config.rope_parameters?.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  const layerType = config.layer_types?.find(
    (type) => type !== 'full_attention' && type !== 'sliding_attention',
  );
  if (quantised != null) {
    return `its weights are quantised (${quantised.quant_method ?? 'unknown method'}); F32, F16 and BF16 are supported`;
  }
  if (config.hidden_act !== family.activation)
    return `its activation is ${config.hidden_act}, expected ${family.activation}`;
  if (typeof scaling === 'string') return scaling;
  if (rotated !== 1) return `it rotates ${rotated} of each head only; rotations of whole heads are supported`;
  if (layerType !== undefined)
    return `it has layers of the type ${layerType}, expected full_attention or sliding_attention`;
  if (shape.heads % shape.kvHeads !== 0) {
    return `its ${shape.heads} attention heads are no multiple of its ${shape.kvHeads} key/value heads`;
  }
  if (!Number.isInteger(shape.headSize / 2)) {
    return `its heads have ${shape.headSize} elements, expected an even number`;
  }
  return undefined;
}
