import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GgufFile } from '../../src/gguf/file.js';
import type { GgufTensor } from '../../src/gguf/header.js';
import { errorOf } from '../text/fixture.js';
import { blockReferences, type Content, gguf, type Tensor, writeGguf } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-gguf-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'model.gguf');

function use<T>(path: string, work: (opened: GgufFile) => T): T {
  const opened = GgufFile.open(path);
  try {
    return work(opened);
  } finally {
    opened.close();
  }
}

const tensor = (opened: GgufFile, name: string) => opened.header.tensors.get(name) as GgufTensor;

for (const [name, { type, bytes, values }] of Object.entries(blockReferences)) {
  test(`${name} blocks have the values that llama.cpp gives them, whole and by rows`, () => {
    const raw = Buffer.from(values, 'base64');
    const expected = Array.from({ length: raw.length / 4 }, (_, i) => raw.readFloatLE(4 * i));
    // a row is one block, and two rows of floats are enough to tell them apart
    const block = { 12: 6, 96: 32, 512: 256 }[expected.length] as number;
    const shape = [expected.length / block, block];
    const stored: Tensor = { name: 'weights', shape, type, bytes: Buffer.from(bytes, 'base64') };
    writeGguf(file, { metadata: {}, tensors: [{ ...stored, name: 'before' }, stored] });
    use(file, (opened) => {
      const rows = shape[0] as number;
      assert.equal([...opened.readRows(tensor(opened, 'weights'), shape, 0, rows)], expected);
      const last = opened.readRows(tensor(opened, 'weights'), shape, rows - 1, 1);
      assert.equal([...last], expected.slice(-block));
    });
  });
}

test('a tensor that is longer than what is read at once', () => {
  const shape = [1200, 1024];
  const values = Float32Array.from({ length: 1200 * 1024 }, (_, i) => i);
  const bytes = new Uint8Array(values.buffer);
  writeGguf(file, { metadata: {}, tensors: [{ name: 'long', shape, type: 0, bytes }] });
  use(file, (opened) => {
    assert.equal(opened.readRows(tensor(opened, 'long'), shape, 0, 1200), values);
    assert.equal(
      opened.readRows(tensor(opened, 'long'), shape, 7, 1100),
      values.subarray(7 * 1024, 1107 * 1024),
    );
  });
});

const small: Content = {
  metadata: {
    'general.architecture': { text: 'llama' },
    'a.number': { u32: 4_000_000_000 },
    'a.flag': { bool: true },
    'a.list': { texts: ['\uFEFFx', 'é', ''] },
    'some.scores': { f32s: [0.5, -1] },
    'some.types': { i32s: [1, 6] },
  },
  tensors: [
    { name: 'one', shape: [2, 3], type: 0, bytes: new Uint8Array(24) },
    { name: 'two', shape: [5], type: 1, bytes: new Uint8Array(10) },
  ],
};

for (const version of [2, 3]) {
  test(`metadata and tensors of version ${version}`, () => {
    writeGguf(file, { ...small, version });
    use(file, ({ header }) => {
      assert.equal(Object.fromEntries(header.metadata), {
        'general.architecture': 'llama',
        'a.number': 4_000_000_000,
        'a.flag': true,
        'a.list': ['\uFEFFx', 'é', ''],
        'some.scores': [0.5, -1],
        'some.types': [1, 6],
      });
      const listed = [...header.tensors.values()].map(({ name, shape, type }) => [name, shape, type.name]);
      assert.equal(listed, [
        ['one', [2, 3], 'F32'],
        ['two', [5], 'F16'],
      ]);
    });
  });
}

test('a file that ends anywhere before its last weight is refused in one sentence', () => {
  const whole = gguf(small);
  const weights = whole.length - 32 + 10;
  for (let length = 0; length < weights; length++) {
    writeFileSync(file, whole.subarray(0, length));
    const error = errorOf(() => GgufFile.open(file));
    assert.is(error.exitCode, 2, `${length} bytes: ${error.stack}`);
    assert.match(error.message, length < 4 ? /is no GGUF file/ : /is not a whole GGUF file: /);
  }
  writeFileSync(file, whole.subarray(0, weights));
  use(file, (opened) => opened.readRows(tensor(opened, 'two'), [5], 0, 5));
});

test('a file with any bytes changed is read, or refused as wrong input', () => {
  const whole = gguf(small);
  const change = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      writeFileSync(file, bytes);
      try {
        GgufFile.open(file).close();
      } catch (error) {
        assert.is((error as { exitCode?: number }).exitCode, 2, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

const refusals: [string, Content | Buffer, RegExp][] = [
  ['another kind of file', Buffer.from('PK\u0003\u0004 and so on'), /is no GGUF file: .*letters GGUF/],
  [
    'version 1',
    { ...small, version: 1 },
    /has GGUF's version 1; little-endian files of the versions 2 and 3/,
  ],
  ['big-endian', { ...small, version: 0x03000000 }, /is a big-endian GGUF file/],
  [
    'a type that is no longer in use',
    { metadata: {}, tensors: [{ name: 'w', shape: [32], type: 4, bytes: new Uint8Array(32) }] },
    /tensor "w" has the type number 4; supported are F32, F16, BF16, Q8_0, .*Q6_K$/,
  ],
  [
    'a type that is not supported',
    { metadata: {}, tensors: [{ name: 'w', shape: [256], type: 10, bytes: new Uint8Array(84) }] },
    /tensor "w" has the type Q2_K; supported are F32, F16/,
  ],
  [
    'rows that are no whole number of blocks',
    { metadata: {}, tensors: [{ name: 'w', shape: [2, 48], type: 8, bytes: new Uint8Array(102) }] },
    /tensor "w" has the shape \[2, 48\], which is no whole number of Q8_0 blocks/,
  ],
  [
    'the same tensor twice',
    { metadata: {}, tensors: [...small.tensors, ...small.tensors] },
    /the tensor "one" stands in it twice/,
  ],
  ['alignment 0', { ...small, metadata: { 'general.alignment': { u32: 0 } } }, /general.alignment is 0/],
];

for (const [what, content, message] of refusals) {
  test(`refused: ${what}`, () => {
    writeFileSync(file, Buffer.isBuffer(content) ? content : gguf(content));
    const error = errorOf(() => GgufFile.open(file));
    assert.is(error.exitCode, 2);
    assert.match(error.message, message);
  });
}

test('lists within lists within lists within lists, and a missing file', () => {
  const nested = gguf({ metadata: { deep: { texts: [] } }, tensors: [] });
  const start = nested.indexOf('deep') + 4;
  const level = Buffer.alloc(12);
  level.writeUInt32LE(9);
  level.writeBigUInt64LE(1n, 4);
  const head = nested.subarray(0, start);
  const type = Buffer.from([9, 0, 0, 0]);
  writeFileSync(file, Buffer.concat([head, type, ...Array.from({ length: 100_000 }, () => level)]));
  assert.match(errorOf(() => GgufFile.open(file)).message, /"deep" holds lists within lists/);
  const absent = errorOf(() => GgufFile.open(join(folder, 'absent.gguf')));
  assert.is(absent.exitCode, 2);
  assert.match(absent.message, /absent.gguf can't be read: there is no such file/);
});

test.run();
