import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type StreamKey, uniform } from '../../src/decode/random.js';

export const tinyVocabulary = 6;
/** Ends a text of the tiny model. */
export const tinyEnd = 0;

const hidden = 16;
const intermediate = 24;

/**
 * A Llama model of two layers with random weights, as a Hugging Face folder without a tokenizer. Its distributions are
 * neither flat nor sharp, so that a few thousand texts of a few tokens tell one from another.
 * @param change what a tensor's values become, by its name
 */
export function writeTinyModel(
  folder: string,
  change?: (name: string, values: Float32Array) => void,
): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_size: hidden,
      intermediate_size: intermediate,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      vocab_size: tinyVocabulary,
      max_position_embeddings: 32,
      rms_norm_eps: 1e-5,
      rope_theta: 10_000,
      tie_word_embeddings: false,
      hidden_act: 'silu',
    }),
  );
  const shapes: [string, number[]][] = [['model.embed_tokens.weight', [tinyVocabulary, hidden]]];
  for (const layer of [0, 1]) {
    const at = `model.layers.${layer}`;
    shapes.push(
      [`${at}.input_layernorm.weight`, [hidden]],
      [`${at}.self_attn.q_proj.weight`, [hidden, hidden]],
      [`${at}.self_attn.k_proj.weight`, [hidden / 2, hidden]],
      [`${at}.self_attn.v_proj.weight`, [hidden / 2, hidden]],
      [`${at}.self_attn.o_proj.weight`, [hidden, hidden]],
      [`${at}.post_attention_layernorm.weight`, [hidden]],
      [`${at}.mlp.gate_proj.weight`, [intermediate, hidden]],
      [`${at}.mlp.up_proj.weight`, [intermediate, hidden]],
      [`${at}.mlp.down_proj.weight`, [hidden, intermediate]],
    );
  }
  shapes.push(['model.norm.weight', [hidden]], ['lm_head.weight', [tinyVocabulary, hidden]]);
  const header: Record<string, unknown> = {};
  const bytes: Buffer[] = [];
  let offset = 0;
  for (const [i, [name, shape]] of shapes.entries()) {
    const values = new Float32Array(shape.reduce((size, length) => size * length, 1)).fill(1);
    if (shape.length > 1) values.set(values.map((_, at) => normal([i, 1], at) * 0.35));
    change?.(name, values);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + values.byteLength] };
    bytes.push(Buffer.from(values.buffer));
    offset += values.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, json, ...bytes]));
  return folder;
}

/** Box & Muller 1958. */
function normal(key: StreamKey, at: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(key, 2 * at)));
  return radius * Math.cos(2 * Math.PI * uniform(key, 2 * at + 1));
}
