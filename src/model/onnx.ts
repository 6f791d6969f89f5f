/**
 * Writes ONNX models: the few messages of onnx.proto that a decoder graph needs, in protobuf's wire format.
 * Large tensors live in a file beside the model (external data), so a model is never held in memory twice.
 */
import { runError } from '../errors.js';

export type ElementType = 'float32' | 'float16' | 'uint8' | 'int8' | 'int32' | 'int64';
/** A dimension is a size or the name of a size that varies between steps. */
export type Dimension = number | string;
export type Attribute = number | { float: number } | readonly number[];

/** Where a weight's bytes lie in the external data file. */
export interface WeightLocation {
  offset: number;
  length: number;
}

/** TensorProto.DataType */
const elementCodes: Record<ElementType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  float16: 10,
};
/** Bytes of one element. */
export const elementBytes: Record<ElementType, number> = {
  float32: 4,
  float16: 2,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
};
const irVersion = 10;
const opsetVersion = 21;

/** Collects nodes, constants, inputs and outputs, and encodes them as a ModelProto. */
export class OnnxGraph {
  private readonly nodes: Message[] = [];
  private readonly initializers: Message[] = [];
  private readonly inputs: Message[] = [];
  private readonly outputs: Message[] = [];
  private readonly names = new Set<string>();

  constructor(private readonly weightFile: string) {}

  input(name: string, type: ElementType, shape: readonly Dimension[]): string {
    this.inputs.push(valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: ElementType, shape: readonly Dimension[]): string {
    this.outputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** A small constant, kept inside the model. */
  constant(
    name: string,
    type: 'int64' | 'float32' | 'uint8',
    shape: readonly number[],
    values: ArrayLike<number>,
  ): string {
    return this.initializer(name, tensor(name, type, shape).bytes(9, littleEndian(type, values)));
  }

  /** A weight in the external data file. */
  weight(name: string, shape: readonly number[], location: WeightLocation, type: ElementType): string {
    const message = tensor(name, type, shape);
    for (const [key, value] of [
      ['location', this.weightFile],
      ['offset', String(location.offset)],
      ['length', String(location.length)],
    ] as const) {
      message.message(13, new Message().string(1, key).string(2, value));
    }
    return this.initializer(name, message.integer(14, 1));
  }

  /**
   * Adds a node; an empty input or output name leaves an optional one out.
   * `domain` is '' for standard operators and 'com.microsoft' for ONNX Runtime's own.
   */
  node(
    operator: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    domain: '' | 'com.microsoft' = '',
  ): void {
    const message = new Message();
    for (const input of inputs) message.string(1, input);
    for (const output of outputs) message.string(2, output);
    message.string(4, operator);
    for (const [name, value] of Object.entries(attributes)) message.message(5, attribute(name, value));
    if (domain !== '') message.string(7, domain);
    this.nodes.push(message);
  }

  encode(name: string): Uint8Array {
    const graph = new Message();
    for (const node of this.nodes) graph.message(1, node);
    graph.string(2, name);
    for (const initializer of this.initializers) graph.message(5, initializer);
    for (const input of this.inputs) graph.message(11, input);
    for (const output of this.outputs) graph.message(12, output);
    return new Message()
      .integer(1, irVersion)
      .string(2, 'dare')
      .message(7, graph)
      .message(8, new Message().string(1, '').integer(2, opsetVersion))
      .message(8, new Message().string(1, 'com.microsoft').integer(2, 1))
      .finish();
  }

  private initializer(name: string, message: Message): string {
    if (this.names.has(name)) throw runError(`The decoder graph names two weights "${name}"`);
    this.names.add(name);
    this.initializers.push(message);
    return name;
  }
}

function littleEndian(type: 'int64' | 'float32' | 'uint8', values: ArrayLike<number>): Uint8Array {
  if (type === 'uint8') return Uint8Array.from(values);
  if (type === 'float32') return new Uint8Array(Float32Array.from(values).buffer);
  return new Uint8Array(BigInt64Array.from(Array.from(values), BigInt).buffer);
}

function tensor(name: string, type: ElementType, shape: readonly number[]): Message {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  return message.integer(2, elementCodes[type]).string(8, name);
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): Message {
  const dimensions = new Message();
  for (const size of shape) {
    const dimension = new Message();
    if (typeof size === 'number') dimension.integer(1, size);
    else dimension.string(2, size);
    dimensions.message(1, dimension);
  }
  const tensorType = new Message().integer(1, elementCodes[type]).message(2, dimensions);
  return new Message().string(1, name).message(2, new Message().message(1, tensorType));
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().string(1, name);
  if (typeof value === 'number') return message.integer(3, value).integer(20, 2);
  if ('float' in value) return message.float(2, value.float).integer(20, 1);
  for (const item of value) message.integer(8, item);
  return message.integer(20, 7);
}

/** One protobuf message under construction: https://protobuf.dev/programming-guides/encoding/ */
class Message {
  private readonly chunks: Uint8Array[] = [];
  private size = 0;

  integer(field: number, value: number): this {
    return this.push(varint(field * 8), varint(value));
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.push(varint(field * 8 + 5), bytes);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.push(varint(field * 8 + 2), varint(value.length), value);
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Message): this {
    this.push(varint(field * 8 + 2), varint(value.size));
    return this.push(...value.chunks);
  }

  finish(): Uint8Array {
    const result = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of this.chunks) {
      result.set(chunk, at);
      at += chunk.length;
    }
    return result;
  }

  private push(...chunks: Uint8Array[]): this {
    for (const chunk of chunks) {
      this.chunks.push(chunk);
      this.size += chunk.length;
    }
    return this;
  }
}

/** A non-negative integer below 2^53 in base 128, least significant group first; -1 as protobuf's ten bytes. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const group = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? group | 128 : group);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
