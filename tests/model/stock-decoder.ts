/** A stock ONNX decoder of a tiny Llama or Qwen3 model: the graph that an exporter would write, in plain operators. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OnnxGraph } from '../../src/model/onnx.js';
import { ropeFrequencies, ropeTable } from '../../src/model/rope.js';
import { type FamilyCase, tensorOf } from './fixture.js';

export interface StockOptions {
  /** Where the graph lies in the folder; onnx/model.onnx if left out. */
  place?: string;
  /** Attention as GroupQueryAttention, which takes lengths and not a mask. */
  fused?: boolean;
  /** Whether there are position_ids; without them positions are those of the columns. */
  positions?: boolean;
  /** Names that inputs and outputs have instead of their usual ones. */
  rename?: Readonly<Record<string, string>>;
  /** Whether a node quantises activations; nothing reads what it gives. */
  quantised?: boolean;
  /** Type of keys, values and logits. */
  type?: 'float32' | 'float16' | 'int8';
}

/** TensorProto.DataType */
const [single, half] = [1, 10];

interface Sizes {
  hidden: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  epsilon: number;
}

/** What a graph is made of: config.json, the tensors' shapes and their values. */
export interface StockSource extends Pick<FamilyCase, 'config' | 'tensors'> {
  /** Those of the tiny models if left out. */
  read?: (name: string, shape: readonly number[]) => Float32Array;
}

/** Writes config.json and the graph with its weights beside it. */
export function writeStockModel(folder: string, model: StockSource, options: StockOptions = {}): void {
  const { config } = model;
  const file = join(folder, options.place ?? join('onnx', 'model.onnx'));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const heads = config.num_attention_heads as number;
  const sizes: Sizes = {
    hidden: config.hidden_size as number,
    layers: config.num_hidden_layers as number,
    heads,
    kvHeads: (config.num_key_value_heads as number | null) ?? heads,
    headSize: (config.head_dim as number | undefined) ?? (config.hidden_size as number) / heads,
    epsilon: config.rms_norm_eps as number,
  };
  const builder = new StockGraphBuilder(sizes, model, options, basename(`${file}_data`));
  const { graph, weights } = builder.build();
  writeFileSync(file, graph);
  writeFileSync(`${file}_data`, weights);
}

class StockGraphBuilder {
  private readonly graph: OnnxGraph;
  private readonly chunks: Buffer[] = [];
  private size = 0;

  constructor(
    private readonly sizes: Sizes,
    private readonly model: StockSource,
    private readonly options: StockOptions,
    weightFile: string,
  ) {
    this.graph = new OnnxGraph(weightFile);
  }

  build(): { graph: Uint8Array; weights: Buffer } {
    const { graph } = this;
    const { hidden, layers } = this.sizes;
    this.inputs();
    this.rotation();
    if (this.options.fused) this.lengths();
    else this.mask();
    const vocabulary = this.model.config.vocab_size as number;
    this.weight('embedding', 'model.embed_tokens.weight', [vocabulary, hidden]);
    graph.node('Gather', ['embedding', this.name('input_ids')], ['x.0']);
    for (let l = 0; l < layers; l++) this.layer(l);
    if (this.options.quantised) {
      graph.node('DynamicQuantizeLinear', ['x.0'], ['quantised', 'quantised.scale', 'quantised.zero']);
    }
    this.norm('model.norm.weight', `x.${layers}`, 'normed');
    const tied = this.model.tensors['lm_head.weight'] === undefined;
    const projection = tied ? 'model.embed_tokens' : 'lm_head';
    if (this.isHalf) {
      this.linear(projection, 'normed', 'logits.float32');
      graph.node('Cast', ['logits.float32'], [this.name('logits')], { to: half });
    } else this.linear(projection, 'normed', this.name('logits'));
    graph.output(this.name('logits'), this.isHalf ? 'float16' : 'float32', ['B', 'T', vocabulary]);
    return { graph: graph.encode('stock'), weights: Buffer.concat(this.chunks) };
  }

  private get isHalf(): boolean {
    return this.options.type === 'float16';
  }

  /** Rows as the cache has them. */
  private kept(rows: string): string {
    return this.isHalf ? this.cast(rows, half) : rows;
  }

  /** What was kept, as the arithmetic has it. */
  private exact(kept: string): string {
    return this.isHalf ? this.cast(kept, single) : kept;
  }

  private cast(from: string, to: number): string {
    this.graph.node('Cast', [from], [`${from}.as.${to}`], { to });
    return `${from}.as.${to}`;
  }

  private name(usual: string): string {
    return this.options.rename?.[usual] ?? usual;
  }

  private inputs(): void {
    const { layers, kvHeads, headSize } = this.sizes;
    const type = this.options.type ?? 'float32';
    this.graph.input(this.name('input_ids'), 'int64', ['B', 'T']);
    this.graph.input(this.name('attention_mask'), 'int64', ['B', 'S']);
    if (this.options.positions !== false) this.graph.input(this.name('position_ids'), 'int64', ['B', 'T']);
    for (let l = 0; l < layers; l++) {
      for (const kind of ['key', 'value']) {
        this.graph.input(this.name(`past_key_values.${l}.${kind}`), type, ['B', kvHeads, 'P', headSize]);
        this.graph.output(this.name(`present.${l}.${kind}`), type, ['B', kvHeads, 'S', headSize]);
      }
    }
  }

  /** cos and sin of every row, [B, 1, T, headSize]; columns [S] and rows' columns [T, 1], counted from the cache's first. */
  private rotation(): void {
    const { graph } = this;
    const { headSize } = this.sizes;
    const context = this.model.config.max_position_embeddings as number;
    const frequencies = ropeFrequencies({ headSize, ropeBase: ropeBase(this.model) });
    const both = (table: Float32Array) => {
      const half = headSize / 2;
      return Float32Array.from({ length: context * headSize }, (_, at) => {
        return table[Math.floor(at / headSize) * half + (at % half)] as number;
      });
    };
    for (const [name, of] of [
      ['cos', Math.cos],
      ['sin', Math.sin],
    ] as const) {
      this.add(`${name}.table`, both(ropeTable(of, frequencies, 0, context)), [context, headSize]);
    }
    for (const [name, value] of [
      ['zero', 0],
      ['one', 1],
      ['two', 2],
    ] as const)
      graph.constant(name, 'int64', [], [value]);
    graph.constant('axis.1', 'int64', [1], [1]);
    graph.constant('axes.0', 'int64', [1], [0]);
    graph.node('Shape', [this.name('attention_mask')], ['mask.shape']);
    graph.node('Gather', ['mask.shape', 'one'], ['total']);
    graph.node('Shape', [this.name('input_ids')], ['ids.shape']);
    graph.node('Gather', ['ids.shape', 'one'], ['rows']);
    graph.node('Sub', ['total', 'rows'], ['past']);
    graph.node('Range', ['zero', 'total', 'one'], ['columns']);
    graph.node('Range', ['past', 'total', 'one'], ['own.columns']);
    graph.node('Unsqueeze', ['own.columns', 'axis.1'], ['rows.columns']);
    let positions = this.name('position_ids');
    if (this.options.positions === false) {
      positions = 'counted';
      graph.node('Unsqueeze', ['own.columns', 'axes.0'], [positions]);
    }
    for (const name of ['cos', 'sin']) {
      graph.node('Gather', [`${name}.table`, positions], [`${name}.rows`]);
      graph.node('Unsqueeze', [`${name}.rows`, 'axis.1'], [name]);
    }
  }

  /** 0 where a row may look, a large negative number elsewhere: [B, 1, T, S], as exporters make it of columns. */
  private mask(): void {
    const { graph } = this;
    graph.constant('allowed', 'float32', [], [0]);
    graph.constant('forbidden', 'float32', [], [-3.4028235e38]);
    graph.constant('axes.12', 'int64', [2], [1, 2]);
    graph.node('LessOrEqual', ['columns', 'rows.columns'], ['causal']);
    graph.node('Cast', [this.name('attention_mask')], ['kept'], { to: 9 });
    graph.node('Unsqueeze', ['kept', 'axes.12'], ['kept.rows']);
    graph.node('And', ['causal', 'kept.rows'], ['seen']);
    graph.node('Where', ['seen', 'allowed', 'forbidden'], ['mask']);
  }

  private lengths(): void {
    const { graph } = this;
    graph.node('ReduceSum', [this.name('attention_mask'), 'axis.1'], ['sum'], { keepdims: 0 });
    graph.node('Sub', ['sum', 'one'], ['last']);
    graph.node('Cast', ['last'], ['last.columns'], { to: 6 });
    graph.node('Cast', ['total'], ['total.columns'], { to: 6 });
  }

  private layer(l: number): void {
    const from = `model.layers.${l}.`;
    this.norm(`${from}input_layernorm.weight`, `x.${l}`, `n1.${l}`);
    this.attention(l, `${from}self_attn.`);
    this.graph.node('Add', [`x.${l}`, `attended.${l}`], [`between.${l}`]);
    this.norm(`${from}post_attention_layernorm.weight`, `between.${l}`, `n2.${l}`);
    this.linear(`${from}mlp.gate_proj`, `n2.${l}`, `gate.${l}`);
    this.linear(`${from}mlp.up_proj`, `n2.${l}`, `up.${l}`);
    this.graph.node('Sigmoid', [`gate.${l}`], [`sigmoid.${l}`]);
    this.graph.node('Mul', [`gate.${l}`, `sigmoid.${l}`], [`silu.${l}`]);
    this.graph.node('Mul', [`silu.${l}`, `up.${l}`], [`gated.${l}`]);
    this.linear(`${from}mlp.down_proj`, `gated.${l}`, `down.${l}`);
    this.graph.node('Add', [`between.${l}`, `down.${l}`], [`x.${l + 1}`]);
  }

  private attention(l: number, from: string): void {
    const { graph } = this;
    const { heads, kvHeads, headSize } = this.sizes;
    const query = this.heads(`${from}q_proj`, `n1.${l}`, `q.${l}`, heads);
    const key = this.heads(`${from}k_proj`, `n1.${l}`, `k.${l}`, kvHeads);
    const value = this.heads(`${from}v_proj`, `n1.${l}`, `v.${l}`, kvHeads);
    const [q, k] = [this.rotate(query), this.rotate(key)];
    const past = (kind: string) => this.name(`past_key_values.${l}.${kind}`);
    const present = (kind: string) => this.name(`present.${l}.${kind}`);
    if (this.options.fused) {
      const flat = [q, k, value].map((rows, i) => this.kept(this.flatten(rows, i === 0 ? heads : kvHeads)));
      const caches = [past('key'), past('value'), 'last.columns', 'total.columns'];
      const outputs = [`seen.${l}`, present('key'), present('value')];
      const attributes = { num_heads: heads, kv_num_heads: kvHeads };
      graph.node('GroupQueryAttention', [...flat, ...caches], outputs, attributes, 'com.microsoft');
      this.linear(`${from}o_proj`, this.exact(`seen.${l}`), `attended.${l}`);
      return;
    }
    graph.node('Concat', [past('key'), this.kept(k)], [present('key')], { axis: 2 });
    graph.node('Concat', [past('value'), this.kept(value)], [present('value')], { axis: 2 });
    // queries that share keys as [B, kvHeads, group, T, headSize]
    const group = heads / kvHeads;
    graph.constant(`grouped.${l}`, 'int64', [5], [0, kvHeads, group, -1, headSize]);
    graph.constant(`ungrouped.${l}`, 'int64', [4], [0, heads, -1, headSize]);
    graph.constant(`scale.${l}`, 'float32', [], [headSize ** -0.5]);
    graph.node('Reshape', [q, `grouped.${l}`], [`queries.${l}`]);
    for (const kind of ['key', 'value'])
      graph.node('Unsqueeze', [this.exact(present(kind)), 'two'], [`${kind}s.${l}`]);
    graph.node('Transpose', [`keys.${l}`], [`keys_t.${l}`], { perm: [0, 1, 2, 4, 3] });
    graph.node('MatMul', [`queries.${l}`, `keys_t.${l}`], [`products.${l}`]);
    graph.node('Mul', [`products.${l}`, `scale.${l}`], [`scores.${l}`]);
    graph.node('Unsqueeze', ['mask', 'one'], [`mask.${l}`]);
    graph.node('Add', [`scores.${l}`, `mask.${l}`], [`masked.${l}`]);
    graph.node('Softmax', [`masked.${l}`], [`shares.${l}`], { axis: -1 });
    graph.node('MatMul', [`shares.${l}`, `values.${l}`], [`mixed.${l}`]);
    graph.node('Reshape', [`mixed.${l}`, `ungrouped.${l}`], [`by_head.${l}`]);
    this.linear(`${from}o_proj`, this.flatten(`by_head.${l}`, heads), `attended.${l}`);
  }

  /** Rows of a projection as [B, heads, T, headSize], normed where the model norms them. */
  private heads(tensor: string, rows: string, output: string, heads: number): string {
    const { graph } = this;
    this.linear(tensor, rows, `${output}.rows`);
    graph.constant(`${output}.split`, 'int64', [4], [0, 0, heads, this.sizes.headSize]);
    graph.node('Reshape', [`${output}.rows`, `${output}.split`], [`${output}.heads`]);
    const norm = `${tensor.replace('_proj', '_norm')}.weight`;
    const normed = this.model.tensors[norm] !== undefined;
    if (normed) this.norm(norm, `${output}.heads`, `${output}.normed`);
    graph.node('Transpose', [normed ? `${output}.normed` : `${output}.heads`], [output], {
      perm: [0, 2, 1, 3],
    });
    return output;
  }

  /** [B, heads, T, headSize] as [B, T, heads * headSize]. */
  private flatten(rows: string, heads: number): string {
    const { graph } = this;
    graph.constant(`${rows}.flat`, 'int64', [3], [0, 0, heads * this.sizes.headSize]);
    graph.node('Transpose', [rows], [`${rows}.by_row`], { perm: [0, 2, 1, 3] });
    graph.node('Reshape', [`${rows}.by_row`, `${rows}.flat`], [`${rows}.flattened`]);
    return `${rows}.flattened`;
  }

  private rotate(rows: string): string {
    const { graph } = this;
    const half = this.sizes.headSize / 2;
    graph.constant(`${rows}.halves`, 'int64', [2], [half, half]);
    graph.node('Split', [rows, `${rows}.halves`], [`${rows}.first`, `${rows}.second`], { axis: 3 });
    graph.node('Neg', [`${rows}.second`], [`${rows}.negated`]);
    graph.node('Concat', [`${rows}.negated`, `${rows}.first`], [`${rows}.turned`], { axis: 3 });
    graph.node('Mul', [rows, 'cos'], [`${rows}.cos`]);
    graph.node('Mul', [`${rows}.turned`, 'sin'], [`${rows}.sin`]);
    graph.node('Add', [`${rows}.cos`, `${rows}.sin`], [`${rows}.rotated`]);
    return `${rows}.rotated`;
  }

  private norm(tensor: string, rows: string, output: string): void {
    this.weight(tensor, tensor, this.model.tensors[tensor] as number[]);
    const attributes = { axis: -1, epsilon: { float: this.sizes.epsilon } };
    this.graph.node('SimplifiedLayerNormalization', [rows, tensor], [output], attributes);
  }

  private linear(tensor: string, rows: string, output: string): void {
    const { graph } = this;
    const [outputs, inputs] = this.model.tensors[`${tensor}.weight`] as [number, number];
    const values = this.read(`${tensor}.weight`, [outputs, inputs]);
    const turned = values.map(
      (_, at) => values[(at % outputs) * inputs + Math.floor(at / outputs)] as number,
    );
    this.add(`${tensor}.turned`, turned, [inputs, outputs]);
    const biased = this.model.tensors[`${tensor}.bias`] !== undefined;
    graph.node('MatMul', [rows, `${tensor}.turned`], [biased ? `${output}.unbiased` : output]);
    if (!biased) return;
    this.weight(`${tensor}.bias`, `${tensor}.bias`, [outputs]);
    graph.node('Add', [`${output}.unbiased`, `${tensor}.bias`], [output]);
  }

  private weight(name: string, tensor: string, shape: readonly number[]): void {
    this.add(name, this.read(tensor, shape), shape);
  }

  private read(tensor: string, shape: readonly number[]): Float32Array {
    return (this.model.read ?? tensorOf)(tensor, shape);
  }

  private add(name: string, values: Float32Array, shape: readonly number[]): void {
    this.graph.weight(name, shape, { offset: this.size, length: values.byteLength }, 'float32');
    this.chunks.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    this.size += values.byteLength;
  }
}

function ropeBase({ config }: StockSource): number {
  const { rope_theta: base, rope_parameters: parameters } = config as {
    rope_theta?: number;
    rope_parameters?: { rope_theta?: number };
  };
  return base ?? parameters?.rope_theta ?? 10_000;
}
