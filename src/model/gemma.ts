/** What Gemma 3 has that the other families haven't: arXiv 2503.19786, and Gemma3TextModel of transformers. */
import { z } from 'zod';
import { inputError } from '../errors.js';
import { configFault } from './config-fault.js';

/** Its class in transformers. */
export const gemmaArchitecture = 'Gemma3ForCausalLM';

/**
 * Beside these: a norm behind attention and one behind the feed-forward network, GELU (by tanh) in place of SiLU, norms
 * that multiply by 1 + weight, and embeddings multiplied by the square root of the hidden size.
 */
export interface GemmaShape {
  /** Whether each layer is a local one: a row sees itself and the `window - 1` rows before it. */
  localLayers: readonly boolean[];
  window: number;
  /** Base of the rotary positions in local layers. */
  localRopeBase: number;
  /** What scores are multiplied by. */
  scoreScale: number;
}

/** Far more than any model has: what is made for each layer must fit into memory, whatever a broken file says. */
export const layerCount = z.number().int().positive().max(10_000);
const rope = z.looseObject({
  rope_type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
});
const schema = z.looseObject({
  num_hidden_layers: layerCount,
  sliding_window: z.number().int().positive().default(4096),
  sliding_window_pattern: z.number().int().positive().default(6),
  layer_types: z.array(z.string()).nullish(),
  rope_local_base_freq: z.number().positive().default(10_000),
  rope_parameters: z
    .looseObject({ full_attention: rope.nullish(), sliding_attention: rope.nullish() })
    .nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  query_pre_attn_scalar: z.number().positive().default(256),
  hidden_activation: z.string().default('gelu_pytorch_tanh'),
  attn_logit_softcapping: z.number().nullish(),
  final_logit_softcapping: z.number().nullish(),
  use_bidirectional_attention: z.boolean().nullish(),
});

/**
 * Gemma's part of a config.json, and the rest of it with the keys and defaults of the other families.
 * Throws inputError when it is broken or names something that the decoder graph can't express.
 */
export function readGemma(json: object, file: string): { gemma: GemmaShape; common: object } {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw inputError(
      configFault(file, json, parsed.error),
      `Is this the config.json of a ${gemmaArchitecture}?`,
    );
  }
  const config = parsed.data;
  const local = config.rope_parameters?.sliding_attention;
  const refused =
    config.attn_logit_softcapping != null || config.final_logit_softcapping != null
      ? 'it caps its scores or logits; models without caps are supported'
      : config.use_bidirectional_attention === true
        ? 'its attention looks ahead; causal attention is supported'
        : local?.rope_type !== undefined && local.rope_type !== 'default'
          ? `it scales the rotary positions of its local layers by ${local.rope_type}; unscaled ones are supported`
          : undefined;
  if (refused !== undefined) throw inputError(`The model of ${file} isn't supported: ${refused}`);
  const { layer_types: types, sliding_window_pattern: pattern } = config;
  return {
    gemma: {
      localLayers: Array.from({ length: config.num_hidden_layers }, (_, layer) =>
        types == null ? (layer + 1) % pattern !== 0 : types[layer] === 'sliding_attention',
      ),
      window: config.sliding_window,
      localRopeBase: local?.rope_theta ?? config.rope_local_base_freq,
      scoreScale: config.query_pre_attn_scalar ** -0.5,
    },
    common: {
      head_dim: 256,
      rope_theta: 1e6,
      ...json,
      ...(config.tie_word_embeddings == null ? { tie_word_embeddings: true } : {}),
      hidden_act: config.hidden_activation,
      rope_parameters: config.rope_parameters?.full_attention,
    },
  };
}
