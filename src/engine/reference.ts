/**
 * The decoder written plainly in TypeScript, float64 sums over float32 weights: slow, and independent of every graph and
 * kernel. Devices are checked against it. It takes the models that the GPU's kernels take (no Gemma).
 */
import type { DecoderShape } from '../model/config.js';
import { ropeFrequencies } from '../model/rope.js';
import type { ModelSource } from '../model/source.js';
import type { TreeRows } from './engine.js';

type Rows = Float64Array[];

/** Elements of a weight that are held at once. */
const pieceElements = 1 << 22;

/** Natural logarithms of the probabilities of the next token after each row from `first` on, [rows][vocabulary]. */
export function referenceLogProbabilities(
  source: ModelSource,
  { tokens, parents }: TreeRows,
  first = 0,
): Rows {
  const { shape } = source;
  const { hidden, vocabulary } = shape;
  const states: Rows = Array.from(tokens, (token) =>
    Float64Array.from(source.readRows('model.embed_tokens.weight', [vocabulary, hidden], token, 1)),
  );
  for (let l = 0; l < shape.layers; l++) {
    const from = `model.layers.${l}.`;
    const before = norm(source, `${from}input_layernorm.weight`, states, shape);
    add(states, attention(source, `${from}self_attn.`, before, parents, shape));
    const between = norm(source, `${from}post_attention_layernorm.weight`, states, shape);
    add(states, feedForward(source, `${from}mlp.`, between, shape));
  }
  const normed = norm(source, 'model.norm.weight', states.slice(first), shape);
  const head = shape.tiedEmbeddings ? 'model.embed_tokens' : 'lm_head';
  return linear(source, head, normed, hidden, vocabulary, false).map(logSoftmax);
}

function attention(
  source: ModelSource,
  from: string,
  rows: Rows,
  parents: Int32Array,
  shape: DecoderShape,
): Rows {
  const { hidden, heads, kvHeads, headSize, qkvBias } = shape;
  const project = (name: string, count: number) =>
    linear(source, `${from}${name}`, rows, hidden, count * headSize, qkvBias);
  const queries = project('q_proj', heads);
  const keys = project('k_proj', kvHeads);
  const values = project('v_proj', kvHeads);
  if (shape.qkNorm) {
    normHeads(source, `${from}q_norm.weight`, queries, shape);
    normHeads(source, `${from}k_norm.weight`, keys, shape);
  }
  const depths: number[] = [];
  for (const parent of parents) depths.push(parent < 0 ? 0 : (depths[parent] as number) + 1);
  for (const vectors of [queries, keys]) rotate(vectors, depths, shape);
  const attended = rows.map((_, row) => {
    const seen: number[] = [];
    for (let at = row; at >= 0; at = parents[at] as number) seen.push(at);
    const result = new Float64Array(heads * headSize);
    for (let head = 0; head < heads; head++) {
      const kv = Math.floor(head / (heads / kvHeads)) * headSize;
      const query = (queries[row] as Float64Array).subarray(head * headSize, (head + 1) * headSize);
      const scores = seen.map((at) => dot(query, keys[at] as Float64Array, kv) * headSize ** -0.5);
      logSoftmax(scores).forEach((score, i) => {
        const value = values[seen[i] as number] as Float64Array;
        for (let d = 0; d < headSize; d++) {
          const to = head * headSize + d;
          result[to] = (result[to] as number) + Math.exp(score) * (value[kv + d] as number);
        }
      });
    }
    return result;
  });
  return linear(source, `${from}o_proj`, attended, heads * headSize, hidden, shape.attentionOutBias);
}

/** SwiGLU: down(silu(gate(x)) * up(x)), arXiv 2002.05202. */
function feedForward(source: ModelSource, from: string, rows: Rows, shape: DecoderShape): Rows {
  const { hidden, intermediate, mlpBias } = shape;
  const gate = linear(source, `${from}gate_proj`, rows, hidden, intermediate, mlpBias);
  const up = linear(source, `${from}up_proj`, rows, hidden, intermediate, mlpBias);
  const gated = gate.map((row, r) =>
    row.map((g, i) => (g / (1 + Math.exp(-g))) * ((up[r] as Float64Array)[i] as number)),
  );
  return linear(source, `${from}down_proj`, gated, intermediate, hidden, mlpBias);
}

/** rows * transpose(weight) + bias, reading the weight a piece at a time. */
function linear(
  source: ModelSource,
  name: string,
  rows: Rows,
  inputs: number,
  outputs: number,
  biased: boolean,
): Rows {
  const result = rows.map(() => new Float64Array(outputs));
  const step = Math.max(1, Math.floor(pieceElements / inputs));
  for (let from = 0; from < outputs; from += step) {
    const count = Math.min(step, outputs - from);
    const weight = source.readRows(`${name}.weight`, [outputs, inputs], from, count);
    // output by output, so that its weights stay in the cache for all rows
    for (let output = 0; output < count; output++) {
      for (let r = 0; r < rows.length; r++) {
        const to = result[r] as Float64Array;
        to[from + output] = product(rows[r] as Float64Array, weight, output * inputs);
      }
    }
  }
  if (biased) {
    const bias = source.read(`${name}.bias`, [outputs]);
    for (const row of result)
      for (let i = 0; i < outputs; i++) row[i] = (row[i] as number) + (bias[i] as number);
  }
  return result;
}

/** RMS norm, arXiv 1910.07467. */
function norm(source: ModelSource, name: string, rows: Rows, shape: DecoderShape): Rows {
  const weight = source.read(name, [shape.hidden]);
  return rows.map((row) => {
    const scale = inverseRoot(row, shape.normEpsilon);
    return row.map((value, i) => value * scale * (weight[i] as number));
  });
}

function normHeads(
  source: ModelSource,
  name: string,
  rows: Rows,
  { headSize, normEpsilon }: DecoderShape,
): void {
  const weight = source.read(name, [headSize]);
  for (const row of rows) {
    for (let start = 0; start < row.length; start += headSize) {
      const head = row.subarray(start, start + headSize);
      const scale = inverseRoot(head, normEpsilon);
      for (let i = 0; i < headSize; i++) head[i] = (head[i] as number) * scale * (weight[i] as number);
    }
  }
}

/** Rotary positions over halves, as Hugging Face's models have them: arXiv 2104.09864. */
function rotate(rows: Rows, positions: readonly number[], shape: DecoderShape): void {
  const frequencies = ropeFrequencies(shape);
  const half = shape.headSize / 2;
  rows.forEach((row, r) => {
    for (let start = 0; start < row.length; start += shape.headSize) {
      for (let i = 0; i < half; i++) {
        const angle = (positions[r] as number) * (frequencies[i] as number);
        const a = row[start + i] as number;
        const b = row[start + half + i] as number;
        row[start + i] = a * Math.cos(angle) - b * Math.sin(angle);
        row[start + half + i] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
  });
}

function inverseRoot(values: Float64Array, epsilon: number): number {
  return 1 / Math.sqrt(dot(values, values, 0) / values.length + epsilon);
}

/** `dot` with weights: nearly all the work. Four sums, so that an addition needn't wait for the one before. */
function product(a: Float64Array, weights: Float32Array, start: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = a.length - (a.length % 4);
  for (let i = 0; i < whole; i += 4) {
    s0 += (a[i] as number) * (weights[start + i] as number);
    s1 += (a[i + 1] as number) * (weights[start + i + 1] as number);
    s2 += (a[i + 2] as number) * (weights[start + i + 2] as number);
    s3 += (a[i + 3] as number) * (weights[start + i + 3] as number);
  }
  for (let i = whole; i < a.length; i++) s0 += (a[i] as number) * (weights[start + i] as number);
  return s0 + s1 + s2 + s3;
}

function dot(a: Float64Array, b: Float64Array, start: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[start + i] as number);
  return sum;
}

function add(to: Rows, rows: Rows): void {
  to.forEach((row, r) => {
    for (let i = 0; i < row.length; i++)
      row[i] = (row[i] as number) + ((rows[r] as Float64Array)[i] as number);
  });
}

function logSoftmax(values: readonly number[] | Float64Array): Float64Array {
  const result = Float64Array.from(values);
  const largest = result.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const sum = result.reduce((total, value) => total + Math.exp(value - largest), 0);
  return result.map((value) => value - largest - Math.log(sum));
}
