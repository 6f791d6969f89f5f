import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';
import { buildTrie } from '../../src/pool/build.js';
import { PoolBuilder, poolKey, sharedKey } from '../../src/pool/builder.js';
import { encodePool, openPool, type PoolSource, readPoolFile } from '../../src/pool/file.js';
import { loadPools, setVersion, writePools } from '../../src/pool/folder.js';
import type { TrieColumns } from '../../src/pool/trie.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { tokenList } from './oracle.js';

const source: PoolSource = {
  tokenizer: 'tokenizer-a',
  entityType: 'user',
  cohort: 'Ärzte "und" 映画',
  maxLength: 4,
  documents: 2,
  tokens: 9,
};
const documents = [
  [1, 2, 3, 1, 2],
  [1, 2, 4, 1],
];
const encoded = () => encodePool(buildTrie(documents, 4), source);

function shared(bytes: ArrayLike<number>): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function failureOf(bytes: ArrayLike<number>): DareError {
  try {
    openPool(shared(bytes), 'pool.arrow');
  } catch (error) {
    assert.instance(error, DareError);
    return error as DareError;
  }
  throw new Error('the pool was opened');
}

test('a pool comes back as it was encoded, with its metadata', () => {
  fc.assert(
    fc.property(
      fc.array(tokenList(), { maxLength: 5 }),
      fc.integer({ min: 2, max: 6 }),
      (texts, maxLength) => {
        const columns = buildTrie(texts, maxLength);
        const { bytes, metadata } = encodePool(columns, { ...source, maxLength });
        const { pool, metadata: read } = openPool(bytes, 'pool.arrow');
        assert.equal(pool.columns, columns);
        assert.is(pool.maxLength, maxLength);
        assert.equal(read, metadata);
        assert.equal(read, { ...source, maxLength, nodes: columns.token.length, version: read.version });
      },
    ),
    { numRuns: 40 },
  );
});

test('columns are views of the shared memory', () => {
  const { bytes } = encoded();
  const { columns } = openPool(bytes, 'pool.arrow').pool;
  for (const column of Object.values(columns) as Int32Array[]) assert.is(column.buffer, bytes);
});

test('equal texts make equal bytes and versions, other texts other versions', () => {
  const turned = encodePool(buildTrie([...documents].reverse(), 4), source);
  assert.equal(new Uint8Array(turned.bytes), new Uint8Array(encoded().bytes));
  const other = encodePool(
    buildTrie(
      [
        [1, 2, 3, 1, 1],
        [1, 2, 4, 1],
      ],
      4,
    ),
    source,
  );
  assert.is.not(other.metadata.version, encoded().metadata.version);
});

test('a file cut off anywhere is refused', () => {
  const bytes = new Uint8Array(encoded().bytes);
  for (let length = 0; length < bytes.length; length++) {
    const error = failureOf(bytes.subarray(0, length));
    assert.is(error.exitCode, 2);
    assert.match(error.message, 'pool.arrow is no whole pool file');
  }
});

test('a damaged byte of a column leads to a refusal', () => {
  const { bytes } = encoded();
  const { columns } = openPool(bytes, 'pool.arrow').pool;
  for (const { byteOffset, byteLength } of Object.values(columns) as Int32Array[]) {
    for (let at = byteOffset; at < byteOffset + byteLength; at++) {
      const damaged = Uint8Array.from(new Uint8Array(bytes));
      damaged[at] = (damaged[at] as number) ^ 0x7f;
      assert.match(failureOf(damaged).message, 'no whole pool file');
    }
  }
});
test('other files are refused', () => {
  const foreign = tableToIPC(tableFromArrays({ token: Int32Array.of(1, 2, 3) }), 'file');
  assert.match(failureOf(foreign).message, 'dare.pool');
  for (const text of ['', 'PAR1 is Parquet', '{"a": 1}', 'x'.repeat(10_000)]) {
    assert.is(failureOf(Buffer.from(text)).exitCode, 2, text);
  }
});

const faults: [string, (columns: TrieColumns) => void, RegExp][] = [
  ['children before their parent', ({ firstChild }) => firstChild.fill(1, 0, 3), /children of node 1/],
  ['families out of order', ({ firstChild }) => firstChild.set([9], 2), /out of order/],
  [
    'children that end too early',
    ({ firstChild }) => firstChild.set([3], firstChild.length - 1),
    /do not cover/,
  ],
  ['a link to itself', ({ link }) => link.set([4], 4), /node 4 links to 4/],
  ['a negative link', ({ link }) => link.set([-2], 3), /node 3 links to -2/],
  ['a count of 0', ({ count }) => count.set([0], 2), /node 2 has no token or count/],
  ['a negative token', ({ token }) => token.set([-5], 2), /node 2 has no token or count/],
];
for (const [name, spoil, message] of faults) {
  test(`columns are checked: ${name}`, () => {
    const columns = buildTrie(documents, 4);
    spoil(columns);
    assert.match(failureOf(new Uint8Array(encodePool(columns, source).bytes)).message, message);
  });
}

const settings = {
  tokenizer: 'tokenizer-a',
  maxLength: 4,
  generationPrompt: Int32Array.of(7, 8, 9, 10, 11),
  endToken: 2,
};

function builderOf(texts: readonly (readonly [string | null, string | null, number[]])[]): PoolBuilder {
  const builder = new PoolBuilder(settings);
  for (const [entityType, cohort, ids] of texts) builder.add(entityType, cohort, ids, true);
  return builder;
}

const texts: [string | null, string | null, number[]][] = [
  ['user', 'drama', [20, 21, 22]],
  ['item', 'drama', [20, 21, 23]],
  ['user', 'comedy', [30, 31]],
  [null, null, [40]],
];

test('a pool per entity type and cohort, and one of all texts, begun by the end of the generation prompt', () => {
  const built = [...builderOf(texts).build()];
  assert.equal(
    built.map(({ key }) => key),
    [sharedKey, poolKey('item', 'drama'), poolKey('user', 'comedy'), poolKey('user', 'drama')],
  );
  const expected = [texts.map(([, , ids]) => ids), [[20, 21, 23]], [[30, 31]], [[20, 21, 22]]];
  built.forEach(({ bytes, metadata }, i) => {
    const whole = (expected[i] as number[][]).map((ids) => [9, 10, 11, ...ids, 2]);
    assert.equal(openPool(bytes, 'pool').pool.columns, buildTrie(whole, 4));
    assert.is(metadata.documents, whole.length);
    assert.is(metadata.tokens, whole.flat().length);
  });
  assert.equal([...builderOf([]).build()], []);
});

test('written pools load again; a second run gives the same bytes and removes old files', () =>
  inFolder(async (folder) => {
    const written = await writePools(folder, builderOf(texts).build(), { stage: 'pools' });
    const files = () => readdirSync(folder).sort();
    const content = () => files().map((file) => readFileSync(join(folder, file), 'latin1'));
    const [names, bytes] = [files(), content()];
    assert.is(names.length, 5, `${names}`);
    const loaded = await loadPools(folder, 'tokenizer-a');
    assert.is(loaded.version, written.version);
    assert.is(loaded.version, setVersion([...written.metadata].reverse()));
    assert.equal(
      [...loaded.bytes.keys()],
      [...builderOf(texts).build()].map(({ key }) => key),
    );

    await writePools(folder, builderOf([...texts].reverse()).build(), { stage: 'pools' });
    assert.equal([files(), content()], [names, bytes]);

    const changed = await writePools(folder, builderOf(texts.slice(0, 2)).build(), { stage: 'pools' });
    assert.is(files().length, 4);
    assert.is.not(changed.version, written.version);
    assert.equal(
      changed.files.map((file) => readFileSync(file).length > 0),
      [true, true, true],
    );
    assert.is((await loadPools(folder, 'tokenizer-a')).bytes.size, 3);
  }));

const folders: [string, (folder: string, file: string) => void, RegExp][] = [
  ['no manifest', (folder) => rmSync(join(folder, '_manifest.json')), /holds no pools/],
  [
    'a manifest of something else',
    (folder) => writeFileSync(join(folder, '_manifest.json'), '{"a":1}'),
    /lists no pools/,
  ],
  [
    'a manifest that leads out of the folder',
    (folder) => writeFileSync(join(folder, '_manifest.json'), '{"pools":[{"file":"../x.arrow"}]}'),
    /lists no pools/,
  ],
  ['a manifest cut off', (folder) => truncateSync(join(folder, '_manifest.json'), 20), /cut off/],
  ['a missing file', (_, file) => rmSync(file), /can't be read/],
  ['a truncated file', (_, file) => truncateSync(file, 300), /no whole pool file/],
];
for (const [name, spoil, message] of folders) {
  test(`a folder with ${name} is refused`, () =>
    inFolder(async (folder) => {
      const { files } = await writePools(folder, builderOf(texts).build(), {});
      spoil(folder, files[1] as string);
      const error = await errorOf(() => loadPools(folder, 'tokenizer-a'));
      assert.is(error.exitCode, 2);
      assert.match(error.message, message);
      assert.ok(error.message.includes(folder));
    }));
}

test('a flipped bit in the header of a pool file is refused before Arrow reads it', () =>
  inFolder(async (folder) => {
    const { files } = await writePools(folder, builderOf(texts).build(), {});
    const file = files[0] as string;
    const bytes = readFileSync(file);
    bytes[8] = (bytes[8] as number) ^ 0x7f;
    writeFileSync(file, bytes);
    const error = await errorOf(() => loadPools(folder, 'tokenizer-a'));
    assert.instance(error, DareError);
    assert.match((error as DareError).message, /sha256/);
  }));

test('pools of another tokenizer are refused', () =>
  inFolder(async (folder) => {
    await writePools(folder, builderOf(texts).build(), {});
    const error = await errorOf(() => loadPools(folder, 'tokenizer-b'));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /another tokenizer/);
  }));

test('a folder in the place of a pool file is refused', () =>
  inFolder(async (folder) => {
    const error = await errorOf(() => readPoolFile(folder));
    assert.is(error.exitCode, 2);
  }));

test.run();
