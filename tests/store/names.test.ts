import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError, inputError } from '../../src/errors.js';
import { RemoteNames } from '../../src/store/names.js';

const names = new RemoteNames();
names.add('/cache/a+b/lake', 's3://lakes/$&');
names.add('/cache/objects/r.csv/@1-2/r.csv', 's3://raw/r.csv');

const texts: [text: string, named: string][] = [
  [
    '/cache/a+b/lake/texts/partition=a/texts.parquet is missing',
    's3://lakes/$&/texts/partition=a/texts.parquet is missing',
  ],
  [
    'the lake /cache/a+b/lake has none, nor has /cache/a+b/lake.',
    'the lake s3://lakes/$& has none, nor has s3://lakes/$&.',
  ],
  ["'/cache/a+b/lake'", "'s3://lakes/$&'"],
  ['/cache/objects/r.csv/@1-2/r.csv, line 3', 's3://raw/r.csv, line 3'],
  // beside them
  ['/cache/a+b/lake.json', '/cache/a+b/lake.json'],
  ['/cache/a+b/lake.sync-1', '/cache/a+b/lake.sync-1'],
  ['/cache/a+b/lakes/x', '/cache/a+b/lakes/x'],
  ['/cache/aab/lake', '/cache/aab/lake'],
];
for (const [text, named] of texts) test(text, () => assert.is(names.inText(text), named));

test('every text of a result, and nothing else', () => {
  const result = {
    stage: 'x',
    warnings: ['in /cache/a+b/lake'],
    rows: 3,
    more: { files: ['/cache/a+b/lake/a'], none: null },
  };
  assert.equal(names.inResult(result), {
    stage: 'x',
    warnings: ['in s3://lakes/$&'],
    rows: 3,
    more: { files: ['s3://lakes/$&/a'], none: null },
  });
});

test("an error's message is named, its hint is of this machine; other errors pass", () => {
  const error = names.inError(
    inputError('/cache/a+b/lake/a is broken', 'Remove /cache/a+b/lake/a.'),
  ) as DareError;
  assert.instance(error, DareError);
  assert.equal(
    [error.message, error.hint, error.exitCode],
    ['s3://lakes/$&/a is broken', 'Remove /cache/a+b/lake/a.', 2],
  );
  const other = new Error('/cache/a+b/lake');
  assert.is(names.inError(other), other);
});

test('a warning is told by its name, once; observers are given files', async () => {
  const told: string[] = [];
  const files: string[][] = [];
  const watch = names.inWatch({
    warn: (warning) => told.push(warning),
    observe: async (_, run) => {
      const result = await run();
      files.push(result.files);
      told.push(...result.warnings);
      return result;
    },
  });
  const ended = { stage: 'x', partition: 'a', rows: 1, seconds: 0 };
  const result = await watch.observe(ended, async () => ({
    ...ended,
    files: ['/cache/a+b/lake/a'],
    warnings: ['/cache/a+b/lake/a has no rows'],
  }));
  watch.warn('/cache/a+b/lake is odd');
  assert.equal(told, ['s3://lakes/$&/a has no rows', 's3://lakes/$& is odd']);
  assert.equal([files, result.files], [[['/cache/a+b/lake/a']], ['/cache/a+b/lake/a']]);
});

test.run();
