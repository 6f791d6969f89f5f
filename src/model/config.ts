import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { inputError, messageOf } from '../errors.js';

/** Sizes of a Llama decoder, from a Hugging Face config.json. */
export interface DecoderShape {
  layers: number;
  hidden: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  intermediate: number;
  vocabulary: number;
  /** Positions the model was trained for: prompt and output together. */
  context: number;
  ropeBase: number;
  normEpsilon: number;
  tiedEmbeddings: boolean;
}

const size = z.number().int().positive().max(10_000_000);
const schema = z.object({
  architectures: z.array(z.string()).min(1),
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.optional(),
  head_dim: size.nullish(),
  intermediate_size: size,
  vocab_size: size,
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().optional(),
  rope_scaling: z.unknown().optional(),
  rope_parameters: z
    .object({ rope_type: z.string().optional(), rope_theta: z.number().optional() })
    .nullish(),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  hidden_act: z.string().default('silu'),
});

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
    throw inputError(
      `The model's ${file} can't be read: ${messageOf(error)}`,
      'model.path must be a Hugging Face folder with config.json, tokenizer.json and model.safetensors.',
      error,
    );
  }
  const architecture = (json as { architectures?: unknown } | null)?.architectures;
  if (Array.isArray(architecture) && architecture[0] !== 'LlamaForCausalLM') {
    throw inputError(
      `The architecture ${String(architecture[0])} of ${file} isn't supported; LlamaForCausalLM is`,
    );
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw inputError(
      `${file}: ${issue?.path.join('.')}: ${issue?.message}`,
      'Is this the config.json of a Llama model?',
    );
  }
  const config = parsed.data;
  const refusal = unsupported(config);
  if (refusal !== undefined) throw inputError(`The model ${folder} isn't supported: ${refusal}`);
  const kvHeads = config.num_key_value_heads ?? config.num_attention_heads;
  return {
    layers: config.num_hidden_layers,
    hidden: config.hidden_size,
    heads: config.num_attention_heads,
    kvHeads,
    headSize: config.head_dim ?? config.hidden_size / config.num_attention_heads,
    intermediate: config.intermediate_size,
    vocabulary: config.vocab_size,
    context: config.max_position_embeddings,
    ropeBase: config.rope_theta ?? config.rope_parameters?.rope_theta ?? 10_000,
    normEpsilon: config.rms_norm_eps,
    tiedEmbeddings: config.tie_word_embeddings,
  };
}

/** What the decoder graph can't express in this configuration, or undefined. */
function unsupported(config: z.infer<typeof schema>): string | undefined {
  const ropeType = config.rope_parameters?.rope_type ?? 'default';
  if (config.attention_bias || config.mlp_bias) return 'it has biases in its linear layers';
  if (config.hidden_act !== 'silu') return `its activation is ${config.hidden_act}, expected silu`;
  if (config.rope_scaling != null || ropeType !== 'default') return 'it scales its rotary positions';
  if (config.num_attention_heads % (config.num_key_value_heads ?? 1) !== 0) {
    return 'its attention heads are no multiple of its key/value heads';
  }
  if (config.head_dim == null && config.hidden_size % config.num_attention_heads !== 0) {
    return 'its hidden size is no multiple of its attention heads';
  }
  return undefined;
}
