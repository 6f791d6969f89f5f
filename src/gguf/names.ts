/** Names of tensors: GGUF's beside Hugging Face's (gguf-py/gguf/tensor_mapping.py of llama.cpp). */

const outside: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

const ofLayers: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** Gemma 3 has norms behind attention and the feed-forward network too; Hugging Face names them otherwise. */
const ofGemmaLayers: Readonly<Record<string, string>> = {
  ...ofLayers,
  post_attention_layernorm: 'post_attention_norm',
  pre_feedforward_layernorm: 'ffn_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
};

const layered = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/;

/**
 * GGUF's name for a Hugging Face name; undefined for a tensor that GGUF decoders don't have.
 * @param architecture as Hugging Face names it
 */
export function ggufName(huggingFaceName: string, architecture: string): string | undefined {
  const match = layered.exec(huggingFaceName);
  if (match === null) return outside[huggingFaceName];
  const names = architecture === 'Gemma3ForCausalLM' ? ofGemmaLayers : ofLayers;
  const part = names[match[2] as string];
  return part === undefined ? undefined : `blk.${match[1]}.${part}.${match[3]}`;
}
