import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { globPattern, isGlob, literalPrefix } from '../../src/store/glob.js';
import { formatLocation, isRemote, locationProblem, parseLocation } from '../../src/store/location.js';

const places: [path: string, bucket: string, key: string][] = [
  ['s3://bucket', 'bucket', ''],
  ['s3://bucket/', 'bucket', ''],
  ['s3://bucket/lake', 'bucket', 'lake'],
  ['s3://bucket/lake/', 'bucket', 'lake'],
  ['s3://my.bucket-1/a/b c/ü+=@.csv', 'my.bucket-1', 'a/b c/ü+=@.csv'],
  ['s3://bucket/100%/a', 'bucket', '100%/a'],
  ['s3://bucket/2026-*/ratings-[0-9]?.parquet', 'bucket', '2026-*/ratings-[0-9]?.parquet'],
];
for (const [path, bucket, key] of places) {
  test(`${path} is a place`, () => {
    assert.equal(parseLocation(path), { bucket, key });
  });
}

const wrong: [path: string, says: RegExp][] = [
  ['s3://', /with a bucket of 3 to 63/],
  ['s3:///key', /with a bucket of 3 to 63/],
  ['s3://ab/key', /with a bucket of 3 to 63/],
  ['s3://Bucket/key', /with a bucket of 3 to 63/],
  ['s3://key:secret@bucket/key', /with a bucket of 3 to 63/],
  ['s3://bucket/a//b', /without empty parts/],
  ['s3://bucket/a//', /without empty parts/],
  ['s3://bucket/../other', /"\.\."/],
  ['s3://bucket/a/./b', /"\.\."/],
  ['s3://bucket/a\0b', /control characters/],
  ['s3://bucket/a\\b', /backslashes/],
  ['s3://bucket/a%20b', /escapes such as %20 are not undone/],
  ['s3://bucket/%2e%2e/a', /escapes/],
  ['S3://bucket/key', /no other store or URL/],
  ['gs://bucket/key', /no other store or URL/],
  ['https://bucket.s3.amazonaws.com/key', /no other store or URL/],
  ['file:///data/ratings.csv', /no other store or URL/],
];
for (const [path, says] of wrong) {
  test(`${JSON.stringify(path)} is refused in one sentence`, () => {
    assert.ok(isRemote(path));
    assert.match(locationProblem(path) ?? '', says);
    assert.throws(
      () => parseLocation(path),
      (error: Error) => says.test(error.message) && !error.message.includes('\n'),
    );
  });
}

test('a path on this machine is none', () => {
  for (const path of ['/data/lake', 'lake', 's3/lake', 'C:\\lake', 's3:/bucket'])
    assert.not(isRemote(path), path);
});

const part = fc
  .string({ minLength: 1, unit: 'grapheme' })
  .filter((text) => locationProblem(`s3://bucket/${text}`) === undefined && !text.includes('/'));

test('what is written is read again, and a key never leads out of a folder', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      const place = { bucket: 'bucket', key: parts.join('/') };
      assert.equal(parseLocation(formatLocation(place)), place);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const path = `s3://bucket/${text}`;
      if (locationProblem(path) !== undefined) return;
      const { key } = parseLocation(path);
      assert.ok(key === '' || key.split('/').every((name) => !['', '.', '..'].includes(name)), path);
    }),
  );
});

const globs: [glob: string, matches: string[], not: string[]][] = [
  ['a/*.csv', ['a/b.csv', 'a/.csv'], ['a/b/c.csv', 'a/bxcsv', 'b.csv']],
  ['a/**/c.csv', ['a/c.csv', 'a/b/c.csv', 'a/b/b/c.csv'], ['a/xc.csv', 'c.csv']],
  ['**', ['a', 'a/b'], []],
  ['r-[0-9]?.csv', ['r-1a.csv', 'r-91.csv'], ['r-a1.csv', 'r-1.csv', 'r-1/.csv']],
  ['r-[!0-9].csv', ['r-a.csv'], ['r-1.csv']],
  ['a+(b)|{c}$.csv*', ['a+(b)|{c}$.csv', 'a+(b)|{c}$.csv.gz'], ['aab.csv']],
];
for (const [glob, matches, not] of globs) {
  test(`the glob ${glob}`, () => {
    assert.ok(isGlob(glob));
    for (const key of matches) {
      assert.ok(globPattern(glob).test(key), key);
      assert.ok(key.startsWith(literalPrefix(glob)), key);
    }
    for (const key of not) assert.not(globPattern(glob).test(key), key);
  });
}

test('a key without special characters is matched by itself alone', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      fc.pre(!isGlob(one));
      assert.ok(globPattern(one).test(one));
      assert.is(globPattern(one).test(other), one === other);
    }),
  );
});

test.run();
