import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { differences, fingerprintOf, flattened, type Origin, originOf } from '../../src/lake/origin.js';

const file = (path: string, sha256: string) => ({ path, sha256, stamp: null });
const hash = (digit: string) => digit.repeat(64);
const made: Origin = {
  files: { 'inputs.items': [file('/a', '1')], model: [file('/m/x', '2'), file('/m/y', '3')] },
  tables: { cohorts: hash('a'), pools: null },
  configuration: { 'cohorts.users.groups': 'auto', 'decode.stop': ['\n'] },
  versions: { dare: '1.0.0', 'sql/segment': hash('b') },
};

const cases: [string, Partial<Origin>, string[]][] = [
  ['nothing', {}, []],
  ['the place of files', { files: { ...made.files, 'inputs.items': [file('/b', '1')] } }, []],
  ['the order of files', { files: { ...made.files, model: [file('/m/y', '3'), file('/m/x', '2')] } }, []],
  [
    'content of a file',
    { files: { ...made.files, 'inputs.items': [file('/a', '9')] } },
    ['inputs.items: /a changed'],
  ],
  [
    'files come and go',
    { files: { ...made.files, model: [file('/m/x', '2'), file('/m/z', '4'), file('/m/w', '5')] } },
    ['model: /m/z (and 1 more) is new, /m/y is gone'],
  ],
  [
    'one of several files that moved',
    { files: { ...made.files, model: [file('/n/x', '2'), file('/n/y', '4')] } },
    ['model: /n/y is new, /m/y is gone'],
  ],
  [
    'a copy',
    { files: { ...made.files, 'inputs.items': [file('/a', '1'), file('/b', '1')] } },
    ['inputs.items: /b is new'],
  ],
  ['a table', { tables: { cohorts: hash('c'), pools: null } }, ['the table cohorts changed']],
  [
    'a table that is new, one that is gone',
    { tables: { pools: hash('c') } },
    ['the table cohorts is gone', 'the table pools is new'],
  ],
  [
    'a key',
    { configuration: { ...made.configuration, 'cohorts.users.groups': 8 } },
    ['cohorts.users.groups: auto -> 8'],
  ],
  [
    'a list and a key that is new',
    { configuration: { 'cohorts.users.groups': 'auto', 'decode.stop': [], 'decode.topK': 2 } },
    ['decode.stop: ["\\n"] -> []', 'decode.topK: unset -> 2'],
  ],
  [
    'versions',
    { versions: { dare: '1.1.0', 'sql/segment': `${'b'.repeat(63)}c` } },
    ['dare: 1.0.0 -> 1.1.0', 'sql/segment: bbbbbbbb -> bbbbbbbb'],
  ],
];
for (const [name, change, expected] of cases) {
  test(`what differs is said: ${name}`, () => {
    const now = { ...made, ...change };
    assert.equal(differences(made, now), expected);
    assert.equal(
      originOf(JSON.parse(JSON.stringify({ stage: 's', origin: now }))),
      now,
      'through a manifest',
    );
  });
}

test('a manifest without an origin, or with a broken one, has none', () => {
  for (const manifest of [{}, { origin: null }, { origin: { ...made, files: [] } }, { origin: 'x' }])
    assert.is(originOf(manifest), undefined);
});

test('the fingerprint of a table is its hash, of pools their version', () => {
  assert.is(fingerprintOf(undefined), null);
  assert.is(fingerprintOf({ table: file('t', hash('1')) }), hash('1'));
  assert.is(fingerprintOf({ version: 'abc' }), 'abc');
  assert.is(fingerprintOf({ version: null }), null);
});

test('keys of groups become paths', () => {
  const value = { a: { b: 1, c: { d: [1], e: null } }, f: undefined, g: {} };
  assert.equal(flattened(value), { 'a.b': 1, 'a.c.d': [1], 'a.c.e': null });
});

test.run();
