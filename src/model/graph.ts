/**
 * The decoder graph: a decoder of the Llama kind over a batch of sequences, each with a tree of draft tokens, and a verification
 * head. Query heads that share a key/value head are folded into the rows (G = heads / kvHeads rows a token), so that
 * one MultiHeadAttention node serves grouped queries, a batch, a tree mask and a KV cache at once.
 */
import type { DecoderShape } from './config.js';
import { type CpuWeights, LinearLayers, type StoredWeight, storedAs } from './linear.js';
import { OnnxGraph, type WeightLocation } from './onnx.js';
import type { Rope } from './rope.js';

/** Where each weight lies; names as in `weightSpecs`. */
export type WeightMap = ReadonlyMap<string, WeightLocation>;

export interface WeightSpec {
  name: string;
  /** Shape in the graph, row-major. */
  shape: readonly number[];
  /** Hugging Face tensors, each [out, in] or [out], joined along `out`. */
  sources: readonly WeightSource[];
  /** Whether it is the [in, out] weight of a linear layer, which every weight type stores in its own way. */
  linear: boolean;
  /**
   * What the rotation of the residual stream changes in it: `inputs`: rows are multiplied by the gain of the norm before
   * and rotated; `outputs`: columns are rotated; `gain`: it stands in the weights behind, ones stand here.
   */
  rotated?: 'inputs' | 'outputs' | 'gain';
  /** Hugging Face name of that norm's gain. */
  gain?: string;
}

export interface WeightSource {
  name: string;
  shape: readonly [number] | readonly [number, number];
  /** Which axis is made of query heads that the folded attention wants in (G, kvHeads) order. */
  foldedHeads?: 'out' | 'in';
  /** How many times it stands there, 1 if left out. */
  repeat?: number;
  /** What is added to every element, 0 if left out. */
  add?: number;
}

/**
 * Every weight of the graph, in the order in which the layers use them. The tensors that they are made of are the same
 * in every weight type.
 */
export function weightSpecs(shape: DecoderShape, weights: CpuWeights = 'float32'): WeightSpec[] {
  const { hidden, intermediate, vocabulary } = shape;
  const queries = shape.heads * shape.headSize;
  const keys = shape.kvHeads * shape.headSize;
  const norm = (name: string, source: string): WeightSpec => plain(name, source, [hidden], normOffset(shape));
  const specs: WeightSpec[] = [plain('embedding', 'model.embed_tokens.weight', [vocabulary, hidden])];
  for (let layer = 0; layer < shape.layers; layer++) {
    const from = `model.layers.${layer}.`;
    const linear = (name: LinearLayer, inputs: number, parts: readonly WeightSource[]): WeightSpec[] => {
      const sources = parts.map((part) => ({ ...part, name: `${from}${part.name}.weight` }));
      const outputs = parts.reduce((sum, part) => sum + part.shape[0], 0);
      const weight = { name: `${name}.${layer}`, shape: [inputs, outputs], sources, linear: true };
      if (!hasBias(shape, name)) return [weight];
      const biases = parts.map(({ name, shape: [outputs], foldedHeads }): WeightSource => {
        // the inputs' order is no matter of the bias
        const folded = foldedHeads === 'out' ? { foldedHeads } : {};
        return { name: `${from}${name}.bias`, shape: [outputs], ...folded };
      });
      const bias = { name: `${name}_bias.${layer}`, shape: [outputs], sources: biases, linear: false };
      return [weight, bias];
    };
    specs.push(
      norm(`attention_norm.${layer}`, `${from}input_layernorm.weight`),
      ...linear('qkv', hidden, [
        { name: 'self_attn.q_proj', shape: [queries, hidden], foldedHeads: 'out' },
        { name: 'self_attn.k_proj', shape: [keys, hidden] },
        { name: 'self_attn.v_proj', shape: [keys, hidden] },
      ]),
      ...(shape.qkNorm ? [qkNorm(shape, layer, from)] : []),
      ...linear('attention_out', queries, [
        { name: 'self_attn.o_proj', shape: [hidden, queries], foldedHeads: 'in' },
      ]),
      ...layerNorms(shape).map(([name, source]) => norm(`${name}.${layer}`, `${from}${source}.weight`)),
      ...linear('gate', hidden, [{ name: 'mlp.gate_proj', shape: [intermediate, hidden] }]),
      ...linear('up', hidden, [{ name: 'mlp.up_proj', shape: [intermediate, hidden] }]),
      ...linear('down', intermediate, [{ name: 'mlp.down_proj', shape: [hidden, intermediate] }]),
    );
  }
  specs.push(norm('final_norm', finalGain));
  const source = shape.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
  if (weights !== 'float32') {
    const sources: WeightSource[] = [{ name: source, shape: [vocabulary, hidden] }];
    specs.push({ name: 'vocabulary_out', shape: [hidden, vocabulary], sources, linear: true });
  } else if (!shape.tiedEmbeddings) specs.push(plain('vocabulary_out', source, [vocabulary, hidden]));
  return isRotated(shape, weights) ? specs.map(rotatedSpec) : specs;
}

/**
 * Whether the residual stream is rotated between the embedding and the output projection: int8 needs it (rotation.ts). Gemma
 * has norms behind its layers, whose gains can't go into any weight; int4 has blocks, and loses by it.
 */
export function isRotated(shape: DecoderShape, weights: CpuWeights): boolean {
  return weights === 'int8' && shape.gemma === undefined;
}

/** Hugging Face name of the last norm's gain. */
export const finalGain = 'model.norm.weight';

function rotatedSpec(spec: WeightSpec): WeightSpec {
  const [name = '', layer] = spec.name.split('.');
  const from = `model.layers.${layer}.`;
  if (name === 'embedding') return { ...spec, rotated: 'inputs' };
  if (name === 'qkv') return { ...spec, rotated: 'inputs', gain: `${from}input_layernorm.weight` };
  if (name === 'gate' || name === 'up') {
    return { ...spec, rotated: 'inputs', gain: `${from}post_attention_layernorm.weight` };
  }
  if (name === 'vocabulary_out') return { ...spec, rotated: 'inputs', gain: finalGain };
  if (name === 'attention_norm' || name === 'mlp_norm' || name === 'final_norm')
    return { ...spec, rotated: 'gain' };
  const writes = ['attention_out', 'attention_out_bias', 'down', 'down_bias'].includes(name);
  return writes ? { ...spec, rotated: 'outputs' } : spec;
}

/** Norms behind the first one of a layer: name in the graph, name in the files. */
function layerNorms({ gemma }: DecoderShape): [name: string, source: string][] {
  if (gemma === undefined) return [['mlp_norm', 'post_attention_layernorm']];
  return [
    ['attended_norm', 'post_attention_layernorm'],
    ['mlp_norm', 'pre_feedforward_layernorm'],
    ['mlp_out_norm', 'post_feedforward_layernorm'],
  ];
}

/** Gemma's norms multiply by 1 + weight. */
function normOffset({ gemma }: DecoderShape): number {
  return gemma === undefined ? 0 : 1;
}

type LinearLayer = 'qkv' | 'attention_out' | 'gate' | 'up' | 'down';

function hasBias(shape: DecoderShape, layer: LinearLayer): boolean {
  if (layer === 'qkv') return shape.qkvBias;
  return layer === 'attention_out' ? shape.attentionOutBias : shape.mlpBias;
}

/** One row for each query and key head: all heads of a kind share their norm's weight. */
function qkNorm(shape: DecoderShape, layer: number, from: string): WeightSpec {
  const { heads, kvHeads, headSize } = shape;
  const add = normOffset(shape);
  return {
    name: `qk_norm.${layer}`,
    shape: [heads + kvHeads, headSize],
    sources: [
      { name: `${from}self_attn.q_norm.weight`, shape: [headSize], repeat: heads, add },
      { name: `${from}self_attn.k_norm.weight`, shape: [headSize], repeat: kvHeads, add },
    ],
    linear: false,
  };
}

/** A table of cos or sin of the rotary angles, [context, headSize / 2]: a weight that no tensor holds. */
export interface RopeTable {
  name: string;
  of: (angle: number) => number;
  rope: Rope;
}

export function ropeTables(shape: DecoderShape): RopeTable[] {
  const tables = (prefix: string, rope: Rope): RopeTable[] => [
    { name: `${prefix}cos`, of: Math.cos, rope },
    { name: `${prefix}sin`, of: Math.sin, rope },
  ];
  const { gemma, headSize } = shape;
  if (gemma === undefined) return tables('', shape);
  return [...tables('', shape), ...tables('local_', { headSize, ropeBase: gemma.localRopeBase })];
}

function plain(name: string, source: string, shape: WeightSource['shape'], add = 0): WeightSpec {
  return { name, shape, sources: [{ name: source, shape, add }], linear: false };
}

/**
 * Builds the graph. B sequences with N rows in all, P columns of cache (those behind a sequence's end masked), and V
 * rows that get a verdict. Everything but attention works on the N rows, packed; attention wants T rows a sequence, so
 * it reads them through `padded` and its results come back through `packed`. S = P + T.
 *
 * Inputs: input_ids [N]; padded [B, T]: which of the N rows stands at each place, any row for padding; packed [N]:
 * each row's place in the flattened [B * T]; position_ids [B, T]; bias [B, 1, T * G, S]: 0 where a row may look, -10000
 * elsewhere, each token's row repeated G times; local_bias: the same for Gemma's local layers; key.l, value.l [B, kvHeads, P, headSize] for each layer l;
 * verdict_rows [V]: which of the N rows; parent_token [V, 2]: for each verdict row the index of its parent among the
 * verdict rows, and its own token; top_k [1].
 * Outputs: verdicts [V, 1 + 3k]: the probability of the row's own token in its parent's row, then the k highest
 * logits, their probabilities, their tokens; logits [V, vocabulary]: fetched only where a decoding option changes them;
 * hidden [V, hidden]: the normed states that the head reads; new_key.l,
 * new_value.l [B, T, kvHeads * headSize]: of the new rows alone, because onnxruntime-node copies every output (the
 * whole cache as an output took half of an autoregressive step of 16 texts).
 */
export function buildDecoder(
  shape: DecoderShape,
  weights: CpuWeights,
  locations: WeightMap,
  weightFile: string,
): Uint8Array {
  const graph = new OnnxGraph(weightFile);
  const specs = weightSpecs(shape, weights);
  const tables = ropeTables(shape).map(({ name }): StoredWeight => {
    return { name, type: 'float32', shape: [shape.context, shape.headSize / 2] };
  });
  const stored = specs.flatMap((spec) => storedAs(spec, weights));
  for (const { name, type, shape: dims } of [...stored, ...tables]) {
    graph.weight(name, dims, locations.get(name) as WeightLocation, type);
  }
  if (isRotated(shape, weights)) {
    const size = [shape.hidden, shape.hidden];
    graph.weight('rotated_back', size, locations.get('rotated_back') as WeightLocation, 'float32');
  }
  declareInputs(graph, shape);
  const linears = new LinearLayers(graph, specs, weights);
  embed(graph, weights);
  let residual = shape.gemma === undefined ? 'embedded' : scaleEmbedding(graph, shape);
  let addition = '';
  for (let l = 0; l < shape.layers; l++) {
    residual = norm(graph, shape, `attention_norm.${l}`, residual, addition, `n1.${l}`);
    const attended = postNorm(
      graph,
      shape,
      `attended_norm.${l}`,
      attention(graph, linears, shape, `n1.${l}`, l),
    );
    residual = norm(graph, shape, `mlp_norm.${l}`, residual, attended, `n2.${l}`);
    addition = postNorm(graph, shape, `mlp_out_norm.${l}`, mlp(graph, linears, shape, `n2.${l}`, l));
  }
  norm(graph, shape, 'final_norm', residual, addition, 'normed');
  verificationHead(graph, linears, shape);
  return graph.encode('decoder');
}

function declareInputs(graph: OnnxGraph, shape: DecoderShape): void {
  const { heads, kvHeads, headSize } = shape;
  const keys = kvHeads * headSize;
  graph.input('input_ids', 'int64', ['N']);
  graph.input('padded', 'int64', ['B', 'T']);
  graph.input('packed', 'int64', ['N']);
  graph.input('position_ids', 'int64', ['B', 'T']);
  graph.input('bias', 'float32', ['B', 1, 'TG', 'S']);
  if (shape.gemma !== undefined) graph.input('local_bias', 'float32', ['B', 1, 'TG', 'S']);
  graph.input('verdict_rows', 'int64', ['V']);
  graph.input('parent_token', 'int64', ['V', 2]);
  graph.input('top_k', 'int64', [1]);
  graph.constant('rotary_and_values', 'int64', [2], [heads * headSize + keys, keys]);
  graph.constant('queries_and_keys', 'int64', [2], [heads * headSize, keys]);
  graph.constant('fold', 'int64', [3], [0, -1, keys]);
  graph.constant('unfold', 'int64', [2], [-1, heads * headSize]);
  graph.constant('as_column', 'int64', [2], [-1, 1]);
  if (shape.qkNorm) {
    graph.constant('as_heads', 'int64', [4], [0, 0, heads + kvHeads, headSize]);
    graph.constant('as_row', 'int64', [3], [0, 0, (heads + kvHeads) * headSize]);
    graph.constant('ones', 'float32', [headSize], new Float32Array(headSize).fill(1));
  }
}

/** The tokens' embeddings, [N, hidden] as float32. */
function embed(graph: OnnxGraph, weights: CpuWeights): void {
  if (weights === 'float32') graph.node('Gather', ['embedding', 'input_ids'], ['embedded']);
  else {
    graph.node('Gather', ['embedding', 'input_ids'], ['embedded.stored']);
    graph.node('Cast', ['embedded.stored'], ['embedded'], { to: 1 });
  }
}

/** rows x weight, plus the layer's bias where it has one. Returns the output's name. */
function linear(
  linears: LinearLayers,
  shape: DecoderShape,
  layer: LinearLayer,
  l: number,
  rows: string,
  output: string,
): string {
  return linears.add(`${layer}.${l}`, hasBias(shape, layer) ? `${layer}_bias.${l}` : '', rows, output);
}

/** RMS norm of residual + addition (of the residual alone in the first layer); returns the name of that sum. */
function norm(
  graph: OnnxGraph,
  shape: DecoderShape,
  weight: string,
  residual: string,
  addition: string,
  output: string,
): string {
  const epsilon = { float: shape.normEpsilon };
  if (addition === '') {
    graph.node('SimplifiedLayerNormalization', [residual, weight], [output], { axis: -1, epsilon });
    return residual;
  }
  const sum = `${output}.sum`;
  const outputs = [output, '', '', sum];
  graph.node(
    'SkipSimplifiedLayerNormalization',
    [residual, addition, weight],
    outputs,
    { epsilon },
    'com.microsoft',
  );
  return sum;
}

/** Gemma's norm of what a part of a layer adds; elsewhere it is added as it is. */
function postNorm(graph: OnnxGraph, shape: DecoderShape, weight: string, rows: string): string {
  if (shape.gemma === undefined) return rows;
  norm(graph, shape, weight, rows, '', `${rows}.normed`);
  return `${rows}.normed`;
}

function scaleEmbedding(graph: OnnxGraph, shape: DecoderShape): string {
  graph.constant('embedding_scale', 'float32', [], [Math.sqrt(shape.hidden)]);
  graph.node('Mul', ['embedded', 'embedding_scale'], ['embedded.scaled']);
  return 'embedded.scaled';
}

/** Packed projections, rotary positions on queries and keys at once, folded attention over cache and new rows. */
function attention(
  graph: OnnxGraph,
  linears: LinearLayers,
  shape: DecoderShape,
  rows: string,
  l: number,
): string {
  const { heads, kvHeads, headSize, gemma } = shape;
  const prefix = gemma?.localLayers[l] === true ? 'local_' : '';
  const caches = [`key.${l}`, `value.${l}`];
  const [key, value] = [`new_key.${l}`, `new_value.${l}`];
  for (const cache of caches) graph.input(cache, 'float32', ['B', kvHeads, 'P', headSize]);
  for (const rows of [key, value]) graph.output(rows, 'float32', ['B', 'T', kvHeads * headSize]);
  linear(linears, shape, 'qkv', l, rows, `qkv_rows.${l}`);
  graph.node('Gather', [`qkv_rows.${l}`, 'padded'], [`qkv_padded.${l}`]);
  graph.node('Split', [`qkv_padded.${l}`, 'rotary_and_values'], [`qk.${l}`, value], { axis: 2 });
  const unrotated = shape.qkNorm ? normHeads(graph, shape, `qk.${l}`, l) : `qk.${l}`;
  const rotary = { num_heads: heads + kvHeads, rotary_embedding_dim: 0 };
  graph.node(
    'RotaryEmbedding',
    [unrotated, 'position_ids', `${prefix}cos`, `${prefix}sin`],
    [`rotated.${l}`],
    rotary,
    'com.microsoft',
  );
  graph.node('Split', [`rotated.${l}`, 'queries_and_keys'], [`q.${l}`, key], { axis: 2 });
  graph.node('Reshape', [`q.${l}`, 'fold'], [`folded.${l}`]);
  graph.node(
    'MultiHeadAttention',
    [`folded.${l}`, key, value, '', '', `${prefix}bias`, ...caches],
    // the operator wants to give cache and new rows joined; nobody reads them
    [`attended.${l}`, `joined_key.${l}`, `joined_value.${l}`],
    { num_heads: kvHeads, scale: { float: gemma?.scoreScale ?? headSize ** -0.5 } },
    'com.microsoft',
  );
  graph.node('Reshape', [`attended.${l}`, 'unfold'], [`unfolded.${l}`]);
  graph.node('Gather', [`unfolded.${l}`, 'packed'], [`attended_rows.${l}`]);
  return linear(linears, shape, 'attention_out', l, `attended_rows.${l}`, `attention_rows.${l}`);
}

/**
 * RMS norm of every query and key head, [B, T, heads + kvHeads, headSize]. Queries and keys have weights of their own,
 * which a Mul of [heads + kvHeads, headSize] applies to all heads at once.
 */
function normHeads(graph: OnnxGraph, shape: DecoderShape, rows: string, l: number): string {
  const epsilon = { float: shape.normEpsilon };
  const [split, normed, scaled, joined] = [`heads.${l}`, `normed.${l}`, `scaled.${l}`, `normed_qk.${l}`];
  graph.node('Reshape', [rows, 'as_heads'], [split]);
  graph.node('SimplifiedLayerNormalization', [split, 'ones'], [normed], { axis: -1, epsilon });
  graph.node('Mul', [normed, `qk_norm.${l}`], [scaled]);
  graph.node('Reshape', [scaled, 'as_row'], [joined]);
  return joined;
}

/** SwiGLU: down(silu(gate(x)) * up(x)); QuickGelu with alpha 1 is silu in one node. Gemma has GELU by tanh there. */
function mlp(graph: OnnxGraph, linears: LinearLayers, shape: DecoderShape, rows: string, l: number): string {
  linear(linears, shape, 'gate', l, rows, `gate_rows.${l}`);
  linear(linears, shape, 'up', l, rows, `up_rows.${l}`);
  const activation = shape.gemma === undefined ? 'QuickGelu' : 'FastGelu';
  const attributes = shape.gemma === undefined ? { alpha: { float: 1 } } : {};
  graph.node(activation, [`gate_rows.${l}`], [`activated.${l}`], attributes, 'com.microsoft');
  graph.node('Mul', [`activated.${l}`, `up_rows.${l}`], [`gated.${l}`]);
  return linear(linears, shape, 'down', l, `gated.${l}`, `down_rows.${l}`);
}

/** hidden, as outputs want it, and the logits. */
function outputProjection(graph: OnnxGraph, linears: LinearLayers, shape: DecoderShape): void {
  if (isRotated(shape, linears.weights)) {
    graph.node('Gather', ['normed', 'verdict_rows'], ['rotated_hidden']);
    graph.node('MatMul', ['rotated_hidden', 'rotated_back'], ['hidden']);
    linears.add('vocabulary_out', '', 'rotated_hidden', 'logits');
    return;
  }
  graph.node('Gather', ['normed', 'verdict_rows'], ['hidden']);
  if (linears.weights === 'float32') {
    const weight = shape.tiedEmbeddings ? 'embedding' : 'vocabulary_out';
    graph.node('Gemm', ['hidden', weight], ['logits'], { transB: 1 });
  } else linears.add('vocabulary_out', '', 'hidden', 'logits');
}

/**
 * Few numbers a row instead of a row of logits. Probabilities come from Softmax: ReduceLogSumExp took a tenth of the
 * whole step on the CPU provider (314 of 3,143 us in a profile of 16 rows).
 */
function verificationHead(graph: OnnxGraph, linears: LinearLayers, shape: DecoderShape): void {
  outputProjection(graph, linears, shape);
  graph.node('TopK', ['logits', 'top_k'], ['top_logits', 'top_tokens'], { axis: -1, largest: 1, sorted: 1 });
  graph.node('Softmax', ['logits'], ['probabilities'], { axis: -1 });
  graph.node('GatherElements', ['probabilities', 'top_tokens'], ['top_probabilities'], { axis: -1 });
  graph.node('GatherND', ['probabilities', 'parent_token'], ['own_probability']);
  graph.node('Reshape', ['own_probability', 'as_column'], ['own_column']);
  graph.node('Cast', ['top_tokens'], ['top_ids'], { to: 1 });
  const columns = ['own_column', 'top_logits', 'top_probabilities', 'top_ids'];
  graph.node('Concat', columns, ['verdicts'], { axis: 1 });
  graph.output('verdicts', 'float32', ['V', 'columns']);
  graph.output('logits', 'float32', ['V', shape.vocabulary]);
  graph.output('hidden', 'float32', ['V', shape.hidden]);
}
