import { inputError } from '../errors.js';
import type { DecoderShape } from '../model/config.js';
import type { GemmaShape } from '../model/gemma.js';
import type { RopeScaling } from '../model/rope.js';
import type { GgufFile } from './file.js';
import { Metadata } from './metadata.js';

/** Classes of transformers by general.architecture; Mistral and SmolLM2 are `llama` too. */
const architectures: Readonly<Record<string, string>> = {
  llama: 'LlamaForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
  gemma3: 'Gemma3ForCausalLM',
};

/** Factors by which each rotation is slowed down, [headSize / 2]: Llama 3.1's rope scaling as llama.cpp stores it. */
export const ropeFactors = 'rope_freqs.weight';

/**
 * Sizes and variants of a GGUF file's decoder, from its metadata and from which tensors it has.
 * Throws inputError when metadata are missing, or name something that the decoder graph can't express.
 */
export function readShape(file: GgufFile): DecoderShape {
  const { tensors } = file.header;
  const metadata = new Metadata(file.header.metadata, file.path);
  const architecture = metadata.text('general.architecture') ?? '';
  const name = Object.hasOwn(architectures, architecture) ? architectures[architecture] : undefined;
  if (name === undefined || (metadata.text('general.type') ?? 'model') !== 'model') {
    const found = metadata.text('general.type') === 'adapter' ? 'an adapter' : `a ${architecture} model`;
    throw inputError(
      `${file.path} holds ${found}, which isn't supported; models of the architectures ` +
        `${Object.keys(architectures).join(', ')} are (Mistral and SmolLM2 are llama too)`,
    );
  }
  const key = (part: string) => `${architecture}.${part}`;
  const size = (part: string) => metadata.required(metadata.size(key(part)), key(part));
  const layers = size('block_count');
  // before anything is made for each of them
  if (layers > tensors.size)
    throw inputError(`${file.path}: ${key('block_count')} is ${layers}, it has ${tensors.size} tensors`);
  const heads = size('attention.head_count');
  const hidden = size('embedding_length');
  const headSize = metadata.size(key('attention.key_length')) ?? hidden / heads;
  const trained = size('context_length');
  const window = metadata.number(key('attention.sliding_window')) ?? 0;
  const isGemma = architecture === 'gemma3';
  const limited = window > 0 && window < trained && !isGemma;
  const scaling = readScaling(file, metadata, key, headSize);
  const shape: DecoderShape = {
    architecture: name,
    layers,
    hidden,
    heads,
    kvHeads: metadata.size(key('attention.head_count_kv')) ?? heads,
    headSize,
    intermediate: size('feed_forward_length'),
    vocabulary: tensors.get('token_embd.weight')?.shape[0] ?? 0,
    context: limited ? window : trained,
    ...(limited ? { window } : {}),
    ropeBase: metadata.number(key('rope.freq_base')) ?? 10_000,
    ...(scaling === undefined ? {} : { ropeScaling: scaling }),
    normEpsilon: metadata.required(
      metadata.number(key('attention.layer_norm_rms_epsilon')),
      key('attention.layer_norm_rms_epsilon'),
    ),
    tiedEmbeddings: !tensors.has('output.weight'),
    qkvBias: tensors.has('blk.0.attn_q.bias'),
    attentionOutBias: tensors.has('blk.0.attn_output.bias'),
    mlpBias: tensors.has('blk.0.ffn_down.bias'),
    qkNorm: tensors.has('blk.0.attn_q_norm.weight'),
    ...(isGemma ? { gemma: readGemma(metadata, key, { layers, hidden, heads, headSize }) } : {}),
  };
  const refusal = unsupported(shape, metadata, key);
  if (refusal !== undefined) throw inputError(`The model ${file.path} isn't supported: ${refusal}`);
  return shape;
}

/** Every sixth layer of Gemma 3 sees the whole sequence, unless the metadata say otherwise. */
const gemmaPattern = 6;
/** Layers of the one size whose scores aren't scaled by the size of a head (27B). */
const gemmaLayersOfLargest = 62;

/** What the metadata of Gemma 3 don't say is fixed, as in llama.cpp's loader (llama-model.cpp). */
function readGemma(
  metadata: Metadata,
  key: KeyOf,
  { layers, hidden, heads, headSize }: { layers: number; hidden: number; heads: number; headSize: number },
): GemmaShape {
  const pattern = metadata.size(key('attention.sliding_window_pattern')) ?? gemmaPattern;
  const width = layers === gemmaLayersOfLargest ? hidden / heads : headSize;
  return {
    localLayers: Array.from({ length: layers }, (_, layer) => (layer + 1) % pattern !== 0),
    window: metadata.required(
      metadata.size(key('attention.sliding_window')),
      key('attention.sliding_window'),
    ),
    localRopeBase: metadata.number(key('rope.freq_base_swa')) ?? 10_000,
    scoreScale: width ** -0.5,
  };
}

type KeyOf = (part: string) => string;

function readScaling(
  file: GgufFile,
  metadata: Metadata,
  key: KeyOf,
  headSize: number,
): RopeScaling | undefined {
  const type = metadata.text(key('rope.scaling.type')) ?? 'linear';
  const factor =
    metadata.number(key('rope.scaling.factor')) ?? metadata.number(key('rope.scale_linear')) ?? 1;
  const stored = file.header.tensors.get(ropeFactors);
  const refuse = (what: string) =>
    inputError(`The model ${file.path} isn't supported: ${what}; linear and Llama 3's scaling are`);
  if (type !== 'none' && type !== 'linear') throw refuse(`it scales its rotary positions by ${type}`);
  const linear = type === 'linear' && factor !== 1 && factor > 0;
  if (stored === undefined) return linear ? { type: 'linear', factor } : undefined;
  if (linear) throw refuse('it scales its rotary positions twice');
  const factors = file.readRows(stored, [headSize / 2], 0, headSize / 2);
  return { type: 'factors', factors: [...factors] };
}

/** What the decoder graph can't express, or undefined. */
function unsupported(shape: DecoderShape, metadata: Metadata, key: KeyOf): string | undefined {
  const { heads, kvHeads, headSize } = shape;
  const rotated = metadata.number(key('rope.dimension_count')) ?? headSize;
  const valueSize = metadata.number(key('attention.value_length')) ?? headSize;
  const capped = ['attn_logit_softcapping', 'final_logit_softcapping'].some((part) => {
    return (metadata.number(key(part)) ?? 0) > 0;
  });
  const experts = metadata.number(key('expert_count')) ?? 0;
  const parts = metadata.number('split.count') ?? 1;
  if (parts > 1) {
    return `it is one of ${parts} parts; join them with llama-gguf-split --merge`;
  }
  if (capped) return 'it caps its scores or logits; models without caps are supported';
  if (experts > 0) return `it is a mixture of ${experts} experts; dense models are supported`;
  if (heads % kvHeads !== 0) {
    return `its ${heads} attention heads are no multiple of its ${kvHeads} key/value heads`;
  }
  if (!Number.isInteger(headSize / 2)) return `its heads have ${headSize} elements, expected an even number`;
  if (rotated !== headSize) {
    return `it rotates ${rotated} of the ${headSize} elements of each head only; rotations of whole heads are supported`;
  }
  if (valueSize !== headSize) {
    return `the heads of its values have ${valueSize} elements, those of its keys ${headSize}; models with one size for both are supported`;
  }
  return undefined;
}
