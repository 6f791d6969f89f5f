/** Linear layers of the graph in each weight type: how their weights are stored, and the nodes that multiply by them. */
import { inputError } from '../errors.js';
import type { WeightSpec } from './graph.js';
import type { ElementType, OnnxGraph } from './onnx.js';

/** Weight types of the graph for the CPU provider. */
export const CPU_WEIGHTS = ['float32', 'int8', 'int4'] as const;
export type CpuWeights = (typeof CPU_WEIGHTS)[number];

/** Throws inputError for a weight type that the CPU provider has no use for. */
export function cpuWeights(name: string): CpuWeights {
  if (name === 'auto') return 'float32';
  const found = CPU_WEIGHTS.find((known) => known === name);
  if (found !== undefined) return found;
  throw inputError(`${name} is no weight type for the CPU: expected ${CPU_WEIGHTS.join(', ')}`);
}

/** Inputs that share a scale in int4: blocks of 128 are up to a fifth faster, and further from the weights. */
export const int4Block = 32;

/** A tensor in the external data file. */
export interface StoredWeight {
  name: string;
  type: ElementType;
  shape: readonly number[];
}

/** In int4 the output projection is int8: in four bits it loses the most, and is slower where several rows are verified. */
function layerType(name: string, weights: CpuWeights): CpuWeights {
  return name === 'vocabulary_out' && weights === 'int4' ? 'int8' : weights;
}

/**
 * The tensors that a weight is stored as. int8: whole outputs share a scale, so that the product is one matrix product
 * of integers, with the scales behind it (MatMulNBits in 8 bits, whose blocks have scales, was as close to float32, and
 * from 8 rows on as slow). int4: as com.microsoft MatMulNBits wants it.
 */
export function storedAs({ name, shape, linear }: WeightSpec, weights: CpuWeights): StoredWeight[] {
  if (weights === 'float32') return [{ name, type: 'float32', shape }];
  // only looked up by token: float16 is exact for most models, and half as large
  if (name === 'embedding') return [{ name, type: 'float16', shape }];
  if (!linear) return [{ name, type: 'float32', shape }];
  const [inputs, outputs] = shape as [number, number];
  if (layerType(name, weights) === 'int8') {
    return [
      { name, type: 'int8', shape },
      { name: `${name}.scale`, type: 'float32', shape: [outputs] },
    ];
  }
  const blocks = Math.ceil(inputs / int4Block);
  return [
    { name, type: 'uint8', shape: [outputs, blocks, int4Block / 2] },
    { name: `${name}.scale`, type: 'float32', shape: [outputs * blocks] },
    { name: `${name}.zero`, type: 'uint8', shape: [outputs * Math.ceil(blocks / 2)] },
  ];
}

/** Adds linear layers to a graph, in one weight type. */
export class LinearLayers {
  /** Rows that were quantised already: several layers may read the same. */
  private readonly quantized = new Set<string>();
  private readonly specs: ReadonlyMap<string, WeightSpec>;

  constructor(
    private readonly graph: OnnxGraph,
    specs: readonly WeightSpec[],
    readonly weights: CpuWeights,
  ) {
    this.specs = new Map(specs.map((spec) => [spec.name, spec]));
    if (weights === 'float32') return;
    graph.constant('row_axis', 'int64', [1], [1]);
    graph.constant('row_step', 'float32', [], [1 / rowLimit]);
    graph.constant('row_zero', 'uint8', [], [rowZero]);
    graph.constant('normed_step', 'float32', [], [normedLimit / rowLimit]);
    graph.constant('rest_step', 'float32', [], [restStep]);
    graph.constant('rest_share', 'float32', [], [restStep * rowLimit]);
  }

  /** output = rows [N, in] x the weight of that name [in, out] + bias [out], which is left out where it is ''. */
  add(weight: string, bias: string, rows: string, output: string): string {
    const type = layerType(weight, this.weights);
    if (type === 'float32') this.addFloat32(weight, bias, rows, output);
    else if (type === 'int8') this.addInt8(weight, bias, rows, output);
    else this.addInt4(weight, bias, rows, output);
    return output;
  }

  private addFloat32(weight: string, bias: string, rows: string, output: string): void {
    if (bias === '') this.graph.node('MatMul', [rows, weight], [output]);
    else this.graph.node('Gemm', [rows, weight, bias], [output]);
  }

  /**
   * A product of integers, exact, then the scales of rows and outputs. Each row has a scale of its own (not all rows
   * one, as DynamicQuantizeLinear has it), so that a row's result doesn't depend on what else is in the batch.
   */
  private addInt8(weight: string, bias: string, rows: string, output: string): void {
    const { graph } = this;
    if (this.specs.get(weight)?.rotated === 'inputs') {
      this.addNormed(weight, bias, rows, output);
      return;
    }
    this.quantizeRows(rows);
    // SwiGLU's products have rows of few large values, in all channels: no rotation evens them out
    const product = weight.startsWith('down.')
      ? this.fineProduct(weight, rows, output)
      : this.product(weight, `${rows}.codes`, 'row_step', `${output}.product`);
    const scaled = bias === '' ? output : `${output}.scaled`;
    graph.node('Mul', [product, `${rows}.largest`], [scaled]);
    if (bias !== '') graph.node('Add', [scaled, bias], [output]);
  }

  /**
   * The rows are normed, without a gain, and rotated: their mean square is 1 and their elements are spread like draws
   * from a normal distribution, so that one scale does for all rows.
   */
  private addNormed(weight: string, bias: string, rows: string, output: string): void {
    const { graph } = this;
    if (!this.quantized.has(rows)) {
      this.quantized.add(rows);
      graph.node('QuantizeLinear', [rows, 'normed_step', 'row_zero'], [`${rows}.codes`]);
    }
    const product = bias === '' ? output : `${output}.product`;
    this.product(weight, `${rows}.codes`, 'normed_step', product);
    if (bias !== '') graph.node('Add', [product, bias], [output]);
  }

  private product(weight: string, codes: string, step: string, output: string): string {
    const inputs = [codes, weight, step, `${weight}.scale`, 'row_zero'];
    this.graph.node('MatMulIntegerToFloat', inputs, [output], {}, 'com.microsoft');
    return output;
  }

  /**
   * The product of rows in 16 bits: what the codes leave over is quantised too and multiplied along with them, as
   * further rows, so that the weight is read once.
   */
  private fineProduct(weight: string, rows: string, output: string): string {
    const { graph } = this;
    const [coarse, fine] = [`${output}.coarse`, `${output}.fine`];
    graph.node('DequantizeLinear', [`${rows}.codes`, 'row_step', 'row_zero'], [`${rows}.found`]);
    graph.node('Sub', [`${rows}.relative`, `${rows}.found`], [`${rows}.rest`]);
    graph.node('QuantizeLinear', [`${rows}.rest`, 'rest_step', 'row_zero'], [`${rows}.rest_codes`]);
    graph.node('Concat', [`${rows}.codes`, `${rows}.rest_codes`], [`${rows}.both_codes`], { axis: 0 });
    const both = this.product(weight, `${rows}.both_codes`, 'row_step', `${output}.both`);
    graph.node('Split', [both], [coarse, fine], { axis: 0, num_outputs: 2 });
    graph.node('Mul', [fine, 'rest_share'], [`${fine}.scaled`]);
    graph.node('Add', [coarse, `${fine}.scaled`], [`${output}.product`]);
    return `${output}.product`;
  }

  /**
   * Each row divided by its largest magnitude, in 127 steps to both sides. A row of zeros becomes codes of no meaning,
   * with the scale 0.
   */
  private quantizeRows(rows: string): void {
    if (this.quantized.has(rows)) return;
    this.quantized.add(rows);
    const { graph } = this;
    graph.node('Abs', [rows], [`${rows}.magnitudes`]);
    graph.node('ReduceMax', [`${rows}.magnitudes`, 'row_axis'], [`${rows}.largest`], { keepdims: 1 });
    graph.node('Div', [rows, `${rows}.largest`], [`${rows}.relative`]);
    graph.node('QuantizeLinear', [`${rows}.relative`, 'row_step', 'row_zero'], [`${rows}.codes`]);
  }

  private addInt4(weight: string, bias: string, rows: string, output: string): void {
    const { shape } = this.specs.get(weight) as WeightSpec;
    const [inputs, outputs] = shape as [number, number];
    this.graph.node(
      'MatMulNBits',
      [rows, weight, `${weight}.scale`, `${weight}.zero`, ...(bias === '' ? [] : ['', bias])],
      [output],
      // accuracy level 4: rows are quantised to int8, in the blocks of the weight
      { K: inputs, N: outputs, bits: 4, block_size: int4Block, accuracy_level: 4 },
      'com.microsoft',
    );
  }
}

/** Codes of a row: 1 to 255, of which 128 is zero (the operator's fast kernels take unsigned rows). */
const rowLimit = 127;
const rowZero = 128;
/** Standard deviations that codes reach: of 10 million draws from a normal distribution six are beyond. */
const normedLimit = 5;
/** What is left over of a row's elements is at most half a step, and gets as many codes. */
const restStep = 0.5 / rowLimit / rowLimit;
