import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';
import { weightSpecs } from '../../src/model/graph.js';
import { type ModelSource, openModel } from '../../src/model/source.js';
import { transposed, weightRows } from '../../src/model/weights.js';
import { type FamilyCase, references, safetensors, tensorOf, writeModel } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-source-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const model = references.cases.find(({ name }) => name === 'qwen3, tied, biases') as FamilyCase;
const embedding = 'model.embed_tokens.weight';
let folders = 0;

/** A folder of the model, in so many files. */
function write(shards: number, type: 'F32' | 'F16' | 'BF16' = 'F32'): string {
  const path = join(folder, String(folders++));
  writeModel(path, model, type, shards);
  return path;
}

function use<T>(path: string, work: (source: ModelSource) => T): T {
  const source = openModel(path, folder);
  try {
    return work(source);
  } finally {
    source.close();
  }
}

for (const [type, shards] of [
  ['F32', 1],
  ['F16', 1],
  ['BF16', 3],
] as const) {
  test(`tensors of a model in ${shards} ${type} files, whole and in parts`, () => {
    use(write(shards, type), (source) => {
      const stored = new Map(source.tensors.map((tensor) => [tensor.name, tensor]));
      assert.equal([...stored.keys()].sort(), Object.keys(model.tensors).sort());
      for (const [name, shape] of Object.entries(model.tensors)) {
        const expected = tensorOf(name, shape);
        const [rows, inputs = 1] = shape as [number, number?];
        assert.equal(source.read(name, shape), expected, name);
        const middle = source.readRows(name, shape, 3, rows - 5);
        assert.equal(middle, expected.subarray(3 * inputs, (rows - 2) * inputs), name);
        const { bytes, type: storedType } = stored.get(name) as { bytes: number; type: string };
        assert.equal([storedType, bytes], [type, expected.length * (type === 'F32' ? 4 : 2)]);
      }
    });
  });
}

test('query heads are reordered, whatever the size of the blocks that are read', () => {
  use(write(1), (source) => {
    const { shape } = source;
    const [qkv, bias, out] = ['qkv.1', 'qkv_bias.1', 'attention_out.1'].map((name) =>
      weightSpecs(shape).find((spec) => spec.name === name),
    ) as [never, never, never];
    const q = tensorOf('model.layers.1.self_attn.q_proj.weight', [192, 96]);
    const qBias = tensorOf('model.layers.1.self_attn.q_proj.bias', [192]);
    const o = tensorOf('model.layers.1.self_attn.o_proj.weight', [96, 192]);
    const found = { qkv: transposed(source, qkv, shape), out: transposed(source, out, shape) };
    for (const elements of [1, 96 * 7, 1 << 20]) {
      const biases = new Map<number, number>();
      for (const { values, places } of weightRows(source, bias, shape, elements)) {
        for (const [row, place] of places.entries()) biases.set(place, values[row] as number);
      }
      const weights = new Map<number, Float32Array>();
      for (const { values, places } of weightRows(source, qkv, shape, elements)) {
        for (const [row, place] of places.entries())
          weights.set(place, values.slice(row * 96, row * 96 + 96));
      }
      assert.is(biases.size, 320);
      assert.is(weights.size, 320);
      // 6 query heads of 32 in groups of 3: head 3 * k + g stands at 2 * g + k
      for (let head = 0; head < 6; head++) {
        const to = ((head % 3) * 2 + Math.floor(head / 3)) * 32 + 5;
        const from = head * 32 + 5;
        assert.is(biases.get(to), qBias[from]);
        assert.equal(weights.get(to), q.slice(from * 96, (from + 1) * 96));
        assert.is(found.qkv[11 * 320 + to], q[from * 96 + 11]);
        assert.is(found.out[to * 96 + 11], o[11 * 192 + from]);
      }
    }
  });
});

test('the fingerprint changes with the weights and config.json, not with the place or the time', () => {
  const print = (path: string) => use(path, (source) => source.fingerprint());
  const [first, second, shards] = [write(1), write(1), write(3)];
  assert.is(print(first), print(second));
  assert.is.not(print(first), print(shards));
  const weights = readFileSync(join(second, 'model.safetensors'));
  weights[weights.length - 1] = (weights.at(-1) as number) ^ 1;
  writeFileSync(join(second, 'model.safetensors'), weights);
  assert.is.not(print(first), print(second));
  const before = print(shards);
  const shard = readFileSync(join(shards, 'model-3-of-3.safetensors'));
  shard[shard.length - 1] = (shard.at(-1) as number) ^ 1;
  writeFileSync(join(shards, 'model-3-of-3.safetensors'), shard);
  assert.is.not(before, print(shards));
  const config = join(first, 'config.json');
  writeFileSync(config, JSON.stringify({ ...model.config, rope_theta: 5 }));
  assert.is.not(print(first), print(write(1)));
});

const index = 'model.safetensors.index.json';
const faults: readonly [what: string, shards: number, spoil: (path: string) => void, message: RegExp][] = [
  [
    'no weights',
    1,
    (path) => rmSync(join(path, 'model.safetensors')),
    /neither model.safetensors nor model.safetensors.index.json/,
  ],
  [
    'a shard missing',
    3,
    (path) => rmSync(join(path, 'model-2-of-3.safetensors')),
    /lacks 1 of the 3 shards .*: model-2-of-3/,
  ],
  ['a broken index', 2, (path) => writeFileSync(join(path, index), '{"weight_map"'), /is no index of shards/],
  [
    'an index of something else',
    2,
    (path) => writeFileSync(join(path, index), '[]'),
    /expected \{"weight_map"/,
  ],
  [
    'a shard elsewhere',
    2,
    (path) => writeFileSync(join(path, index), JSON.stringify({ weight_map: { a: '../model.safetensors' } })),
    /"..\/model.safetensors" is not a file beside it/,
  ],
  [
    'a tensor in no shard',
    2,
    (path) => {
      const map = JSON.parse(readFileSync(join(path, index), 'utf8')) as {
        weight_map: Record<string, string>;
      };
      delete map.weight_map[embedding];
      writeFileSync(join(path, index), JSON.stringify(map));
    },
    /have no tensor "model.embed_tokens.weight"/,
  ],
  ...['F8_E4M3', 'constructor', 'toString', '__proto__'].map((type): (typeof faults)[number] => [
    `a tensor of the type ${type}`,
    1,
    (path) => {
      const others = Array.from({ length: 2 }, (_, i) => ({
        name: `${i}`,
        shape: [1],
        bytes: new Uint8Array(1),
      }));
      const tensor = { name: embedding, shape: [256, 96], bytes: new Uint8Array(256 * 96) };
      writeFileSync(join(path, 'model.safetensors'), safetensors([tensor, ...others], type));
    },
    new RegExp(`has the type ${type}; F32, F16 and BF16 are supported`),
  ]),
  [
    'more layers than tensors',
    1,
    (path) =>
      writeFileSync(
        join(path, 'config.json'),
        JSON.stringify({ ...model.config, num_hidden_layers: 10_000 }),
      ),
    /num_hidden_layers is 10000, the weights have \d+ tensors/,
  ],
];

for (const [what, shards, spoil, message] of faults) {
  test(`a model folder with ${what} is refused`, () => {
    const path = write(shards);
    spoil(path);
    try {
      use(path, (source) => source.read(embedding, [256, 96]));
      assert.unreachable();
    } catch (error) {
      assert.instance(error, DareError);
      assert.is((error as DareError).exitCode, 2);
      assert.match((error as DareError).message, message);
    }
  });
}

test('model.safetensors goes before an index', () => {
  const path = write(2);
  const single = write(1);
  renameSync(join(path, index), join(single, index));
  use(single, (source) => assert.is(source.tensors.length, Object.keys(model.tensors).length));
});

test('a safetensors file is no model', () => {
  const path = join(write(1), 'model.safetensors');
  assert.throws(() => openModel(path, folder), /is no GGUF file/);
});

test.run();
