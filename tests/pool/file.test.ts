import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Field,
  Int32,
  type RecordBatch,
  Schema,
  Table,
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
} from 'apache-arrow';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';
import { buildTrie } from '../../src/pool/build.js';
import { PoolBuilder, poolKey, sharedKey } from '../../src/pool/builder.js';
import { chancePoints } from '../../src/pool/chances.js';
import { columnKeys } from '../../src/pool/columns.js';
import { encodeEscapes, usualEscapes } from '../../src/pool/escape.js';
import {
  encodePool,
  openPool,
  type PoolMetadata,
  type PoolSource,
  poolFormat,
  readPoolFile,
  verifyPool,
} from '../../src/pool/file.js';
import { loadPools, setVersion, writePools } from '../../src/pool/folder.js';
import { Followers } from '../../src/pool/ngrams.js';
import { decodeProfile, encodeProfile } from '../../src/pool/profile.js';
import { nodeFields, nodeWidth, type Pool, type TrieColumns } from '../../src/pool/trie.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { fibonacciWord, tokenList } from './oracle.js';

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
        const { node, slot, leaf, text } = columns;
        const nodes = node.length / nodeWidth - 1;
        const sizes = { nodes, slots: slot.length, leaves: leaf.length, places: text.length };
        const { largestToken, version } = read;
        assert.equal(read, { ...source, maxLength, ...sizes, largestToken, version });
        assert.is(largestToken, Math.max(-1, ...texts.flat()));
        assert.equal(verifyPool(bytes, 'pool.arrow'), metadata);
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

test("Arrow's own reader finds one row with a list for each column, and the metadata", () => {
  const { bytes, metadata } = encoded();
  const { columns } = openPool(bytes, 'pool.arrow').pool;
  const table = tableFromIPC(new Uint8Array(bytes));
  assert.is(table.numRows, 1);
  assert.equal(
    table.schema.fields.map(({ name }) => name),
    ['level', 'node', 'slot', 'leaf_token', 'leaf', 'text', 'context'],
  );
  for (const key of columnKeys) {
    const name = key.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
    assert.equal(table.getChild(name)?.get(0).toArray(), columns[key], name);
  }
  const { 'dare.pool': format, seal, ...rest } = JSON.parse(table.schema.metadata.get('dare.pool') as string);
  assert.equal([format, typeof seal, rest], [poolFormat, 'string', metadata]);
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

/** A family large enough for slots. */
const wide = [Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 5 : 6 + ((i >> 1) % 10)))];

/**
 * Everything that drafting asks of a pool, after every token of `history`. A damaged pool may answer with another
 * context of its own (only checksums tell), never with what isn't in the file, and always comes to an end.
 */
function lookUp(pool: Pool, metadata: PoolMetadata, history: readonly number[]): void {
  const state = { node: 0, depth: 0 };
  const after = new Followers(8);
  for (const token of history) {
    pool.walk(state, token);
    let { node } = state;
    for (let { depth } = state; depth >= 0; depth--) {
      pool.followers(node, after);
      for (const token of after.tokens.subarray(0, after.size))
        assert.ok(token >= 0 && token <= metadata.largestToken, `token ${token}`);
      if (depth > 0) node = pool.shorter(node, depth);
    }
  }
}

test('a damaged file is refused, or found out by verifyPool and never leads a lookup astray', () => {
  const whole = encodePool(buildTrie([fibonacciWord(60), ...documents, ...wide], 4), source).bytes;
  const size = whole.byteLength;
  const flips = fc.array(fc.tuple(fc.nat(size - 1), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  let opened = 0;
  fc.assert(
    fc.property(flips, fc.array(fc.nat(17), { maxLength: 20 }), (changes, history) => {
      const damaged = new Uint8Array(whole).slice();
      for (const [at, bits] of changes) damaged[at] = (damaged[at] as number) ^ bits;
      let found: { pool: Pool; metadata: PoolMetadata };
      try {
        found = openPool(shared(damaged), 'pool.arrow');
      } catch (error) {
        assert.match((error as DareError).message, /no whole pool file|older format|pool of format/);
        return;
      }
      opened++;
      lookUp(found.pool, found.metadata, history);
    }),
    { numRuns: 2000 },
  );
  assert.ok(opened > 100, 'nothing was looked up');
});

test('verifyPool finds every damaged byte of a column', () => {
  const { bytes } = encoded();
  const { columns } = openPool(bytes, 'pool.arrow').pool;
  for (const { byteOffset, byteLength } of Object.values(columns) as Int32Array[]) {
    for (let at = byteOffset; at < byteOffset + byteLength; at++) {
      const damaged = Uint8Array.from(new Uint8Array(bytes));
      damaged[at] = (damaged[at] as number) ^ 0x7f;
      assert.throws(() => verifyPool(shared(damaged), 'pool.arrow'), /no whole pool file/);
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

test('a pool of an older or newer format is refused as such', () => {
  const column = { type: new Int32(), nullable: false };
  const { batches } = tableFromArrays({ token: Int32Array.of(1, 2, 3) });
  const older = new Schema(
    [new Field('token', column.type, column.nullable)],
    new Map([['dare.pool', '{"nodes":3}']]),
  );
  const bytes = tableToIPC(new Table(older, batches as RecordBatch[]), 'file');
  assert.match(failureOf(bytes).message, 'pool.arrow is a pool of an older format');
  const newer = Buffer.from(new Uint8Array(encoded().bytes));
  newer.write('{"dare.pool":9', newer.indexOf(`{"dare.pool":${poolFormat}`));
  assert.match(
    failureOf(newer).message,
    `pool.arrow is a pool of format 9; this release reads format ${poolFormat}`,
  );
});

/** Writes a number into the row of a node. */
function setField({ node }: TrieColumns, row: number, field: keyof typeof nodeFields, value: number): void {
  node[row * nodeWidth + nodeFields[field]] = value;
}

const lastRow = ({ node }: TrieColumns) => node.length / nodeWidth - 1;

const faults: [string, (columns: TrieColumns) => void, RegExp][] = [
  ['families out of order', (c) => setField(c, 2, 'firstChild', 99), /level 1 is out of order/],
  ['leaves out of order', (c) => setField(c, 1, 'firstLeaf', 99), /level 1 is out of order/],
  ['negative leaves', (c) => setField(c, 1, 'firstLeaf', -9), /level \d is out of order/],
  ['children that end too early', (c) => setField(c, lastRow(c), 'firstChild', 3), /do not cover/],
  ['children of another level', (c) => setField(c, 1, 'firstChild', 5), /children of level 1 are elsewhere/],
  [
    'a link to itself',
    (c) => setField(c, c.level[2] as number, 'link', c.level[2] as number),
    /level 2 is out of order/,
  ],
  ['a negative link', (c) => setField(c, 3, 'link', -2), /level 1 is out of order/],
  ['a link of the root', (c) => setField(c, 0, 'link', 1), /root/],
  ['a negative count', (c) => setField(c, 2, 'count', -1), /level 1 is out of order/],
  ['a negative token', (c) => setField(c, 2, 'token', -5), /level 1 is out of order/],
  ['a token that is too large', (c) => setField(c, 2, 'token', 7000), /level 1 is out of order/],
  ['no free slot', ({ slot }) => slot.fill(1), /slots are full/],
  ['a slot of no node', (c) => c.slot.set([lastRow(c)], 0), /slot holds/],
  ['a leaf at the end of the text', ({ leaf, text }) => leaf.set([text.length - 1], 0), /leaf holds/],
  ['a leaf without a token', ({ leafToken }) => leafToken.set([-1], 0), /leafToken holds -1/],
  ['a context of full length', (c) => c.context.set([lastRow(c) - 1], 0), /context holds/],
  ['a text without an end', ({ text }) => text.set([1], text.length - 1), /no end/],
  ['levels out of order', ({ level }) => level.set([1], 3), /levels are out of order/],
  ['levels of fewer nodes', ({ level }) => level.set([2], level.length - 1), /levels do not cover/],
];
for (const [name, spoil, message] of faults) {
  test(`columns are checked: ${name}`, () => {
    const columns = buildTrie([fibonacciWord(60), ...documents, ...wide], 4);
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
    assert.is(
      metadata.weights === undefined,
      i > 0,
      'weights are fitted to all, and kept with the shared pool',
    );
  });
  assert.not.equal(built[0]?.metadata.weights, encodeEscapes(usualEscapes));
  assert.equal([...builderOf([]).build()], []);
});

test('written pools load again; a second run gives the same bytes and removes old files', () =>
  inFolder(async (folder) => {
    const written = await writePools(folder, builderOf(texts).build(), { stage: 'pools' });
    const files = () => readdirSync(folder).sort();
    const content = () => files().map((file) => readFileSync(join(folder, file), 'latin1'));
    const [names, bytes] = [files(), content()];
    assert.is(names.length, 5, `${names}`);
    const loaded = await loadPools(folder, 'tokenizer-a', true);
    assert.is(loaded.version, written.version);
    assert.is(loaded.version, setVersion([...written.entries].reverse()));
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
    assert.is((await loadPools(folder, 'tokenizer-a', true)).bytes.size, 3);
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
      const error = await errorOf(() => loadPools(folder, 'tokenizer-a', true));
      assert.is(error.exitCode, 2);
      assert.match(error.message, message);
      assert.ok(error.message.includes(folder));
    }));
}

test('a pool file that is not the one of the manifest is refused', () =>
  inFolder(async (folder) => {
    const { files } = await writePools(folder, builderOf(texts).build(), {});
    writeFileSync(files[0] as string, readFileSync(files[1] as string));
    const error = await errorOf(() => loadPools(folder, 'tokenizer-a', true));
    assert.match(error.message, /of another version than its manifest says/);
  }));

test('pools of another tokenizer are refused', () =>
  inFolder(async (folder) => {
    await writePools(folder, builderOf(texts).build(), {});
    const error = await errorOf(() => loadPools(folder, 'tokenizer-b', true));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /another tokenizer/);
  }));

test('a folder in the place of a pool file is refused', () =>
  inFolder(async (folder) => {
    const error = await errorOf(() => readPoolFile(folder));
    assert.is(error.exitCode, 2);
  }));

test('weights: kept with the pool, part of its version, whole or not at all', () => {
  const weights = encodeEscapes(usualEscapes);
  const { bytes, metadata } = encodePool(buildTrie(documents, 4), { ...source, weights });
  const { pool, metadata: read } = openPool(bytes, 'pool.arrow');
  assert.equal(read.weights, weights);
  assert.equal(encodeEscapes(pool.escapes as Float64Array), weights);
  assert.equal(verifyPool(bytes, 'pool.arrow'), metadata);
  assert.is(openPool(encoded().bytes, 'pool.arrow').pool.escapes, undefined);
  const others = [
    encoded(),
    encodePool(buildTrie(documents, 4), { ...source, weights: [2, ...weights.slice(1)] }),
  ];
  for (const other of others) assert.is.not(other.metadata.version, metadata.version);
  for (const wrong of [weights.slice(1), [0, ...weights.slice(1)], [1.5, ...weights.slice(1)]]) {
    const { bytes: broken } = encodePool(buildTrie(documents, 4), { ...source, weights: wrong });
    assert.throws(
      () => openPool(broken, 'pool.arrow'),
      /pool.arrow is no whole pool file: its metadata lacks/,
    );
  }
});

test('chances: kept with the pool, part of its version, whole and never falling', () => {
  const chances = Array.from({ length: chancePoints }, (_, i) => 300 * (i + 1));
  const { bytes, metadata } = encodePool(buildTrie(documents, 4), { ...source, chances });
  const { pool, metadata: read } = openPool(bytes, 'pool.arrow');
  assert.equal(read.chances, chances);
  assert.is(pool.chances?.of(1), 0.6);
  assert.equal(verifyPool(bytes, 'pool.arrow'), metadata);
  assert.is(openPool(encoded().bytes, 'pool.arrow').pool.chances, undefined);
  const other = encodePool(buildTrie(documents, 4), { ...source, chances: [1, ...chances.slice(1)] });
  const ofTypes = encodePool(buildTrie(documents, 4), { ...source, chances, chancesBy: [['item', chances]] });
  assert.is(openPool(ofTypes.bytes, 'pool.arrow').pool.chancesBy?.get('item')?.of(1), 0.6);
  const relaxed = { chances, chancesBy: [['item', chances]] } satisfies PoolSource['relaxed'];
  const ofModes = encodePool(buildTrie(documents, 4), { ...source, chances, relaxed });
  assert.is(openPool(ofModes.bytes, 'pool.arrow').pool.relaxed?.chancesBy?.get('item')?.of(1), 0.6);
  assert.is(
    new Set([encoded(), other, ofTypes, ofModes].map((one) => one.metadata.version)).has(metadata.version),
    false,
  );
  for (const [wrong, message] of [
    [chances.slice(1), /its metadata lacks/],
    [[...chances.slice(1), 10_001], /its metadata lacks/],
    [chances.toReversed(), /its chances fall/],
  ] as const) {
    const { bytes: broken } = encodePool(buildTrie(documents, 4), { ...source, chances: [...wrong] });
    assert.throws(() => openPool(broken, 'pool.arrow'), message);
    const ofRelaxed = { ...source, relaxed: { chances: [...wrong] } };
    const { bytes: brokenRelaxed } = encodePool(buildTrie(documents, 4), ofRelaxed);
    assert.throws(() => openPool(brokenRelaxed, 'pool.arrow'), message);
    const ofType = { ...source, chancesBy: [['user', [...wrong]]] satisfies PoolSource['chancesBy'] };
    const { bytes: brokenOfType } = encodePool(buildTrie(documents, 4), ofType);
    assert.throws(() => openPool(brokenOfType, 'pool.arrow'), message);
  }
});

test('what drafts are like: kept with the pool, part of its version, refused where it is damaged', () => {
  const profile = encodeProfile([Float64Array.of(0.9, 0.5), new Float64Array(0)]);
  const chances = Array.from({ length: chancePoints }, (_, i) => 300 * (i + 1));
  const withRelaxed = (relaxed: PoolSource['relaxed']) =>
    encodePool(buildTrie(documents, 4), { ...source, chances, relaxed });
  const { bytes, metadata } = withRelaxed({ chances, profile, profileBy: [['item', profile]] });
  const { relaxed } = openPool(bytes, 'pool.arrow').pool;
  assert.equal(relaxed?.profile, decodeProfile(profile));
  assert.equal(relaxed?.profileBy?.get('item'), decodeProfile(profile));
  assert.equal(verifyPool(bytes, 'pool.arrow'), metadata);
  assert.is.not(withRelaxed({ chances }).metadata.version, metadata.version);
  const odd = Buffer.alloc(125).toString('base64');
  for (const wrong of [{ profile: odd }, { profileBy: [['item', odd]] satisfies [string, string][] }])
    assert.throws(
      () => openPool(withRelaxed(wrong).bytes, 'pool.arrow'),
      /no whole pool file: a profile has 125 bytes/,
    );
  const long = 'A'.repeat(100_000);
  assert.throws(() => openPool(withRelaxed({ profile: long }).bytes, 'pool.arrow'), /its metadata lacks/);
});

test.run();
