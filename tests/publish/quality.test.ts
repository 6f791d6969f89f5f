/** The gate before the features: shares of texts that are no use, and what is above its limit. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { publish } from '../../pipeline/publish.js';
import type { Quality } from '../../pipeline/quality.js';
import { readManifest } from '../../src/lake/manifest.js';
import { packageRoot } from '../../src/paths.js';
import { dare, resultOf } from '../cli/spawn.js';
import { bytesBelow, errorOf, inFolder } from '../prompts/fixture.js';
import { lakeWithTexts, type Text } from './lake.js';

const files = {
  'items.csv': 'id,title\na,A\nb,B\nc,C\nd,D',
  'ratings.csv': 'who,id,stars,at\nu,a,5,2024-01-01T00:00:00Z',
};
const words = (count: number, of: number) =>
  Array.from({ length: count }, (_, i) => `word${i % of}`).join(' \n');
const of = (entity_id: string, more: Partial<Text>): Text => ({
  framework: 'kar',
  entity_type: 'item',
  entity_id,
  text: 'Fine.',
  ...more,
});
const json = '{"summarization": "s", "reasoning": "r"}';
const none: Quality = { empty: 0, cut: 0, repetitive: 0, unparsable: 0, failed: 0 };

const cases: { name: string; rows: Text[]; shares: Partial<Quality> }[] = [
  { name: 'no texts at all', rows: [], shares: {} },
  {
    name: 'nothing but white space, which a text that failed is not',
    rows: [of('a', { text: ' \n\t' }), of('b', { text: '' }), of('c', {}), of('d', { error: 'x', text: '' })],
    shares: { empty: 2 / 3, failed: 1 / 4 },
  },
  {
    name: 'texts that are cut',
    rows: [
      of('a', { finish_reason: 'length' }),
      of('b', { finish_reason: 'context' }),
      of('c', { finish_reason: 'stop' }),
      of('d', {}),
    ],
    shares: { cut: 1 / 2 },
  },
  {
    // 20 words have 17 runs of four; of 8 words that repeat 8 of them differ, of 9 words 9
    name: 'texts that repeat themselves: from 20 words, below one half',
    rows: [
      of('a', { text: words(20, 8) }),
      of('b', { text: words(20, 9) }),
      of('c', { text: words(19, 1) }),
      of('d', { text: ` ${words(20, 8).toUpperCase()}\n` }),
    ],
    shares: { repetitive: 1 / 2 },
  },
  {
    name: 'JSON of rlmrec alone, with both keys',
    rows: [
      of('a', { framework: 'rlmrec', text: json }),
      of('b', { framework: 'rlmrec', text: ` ${json}\n` }),
      of('c', { framework: 'rlmrec', text: '{"summarization": "s"}' }),
      of('d', { framework: 'rlmrec', text: json.slice(0, -1) }),
      of('e', { framework: 'rlmrec', error: 'no text' }),
      of('a', { text: 'no JSON' }),
    ],
    shares: { unparsable: 1 / 2, failed: 1 / 6 },
  },
];
for (const { name, rows, shares } of cases) {
  test(`shares are counted, written down and told: ${name}`, async () => {
    await inFolder(async (folder) => {
      const off = { empty: 1, cut: 1, repetitive: 1, unparsable: 1, failed: 1 };
      const context = await lakeWithTexts(folder, rows, { files, publish: { quality: off } });
      const { quality } = await publish(context);
      assert.equal(quality, { ...none, ...shares });
      assert.equal((await readManifest(context.lake.dir('features', 'p')))?.quality, quality);
    });
  });
}

test('a share at its limit passes; above it the features stay as they were, and the error says all', async () => {
  await inFolder(async (folder) => {
    const rows = [
      of('a', {}),
      of('b', { text: '', prompt_id: 'it\'s\n"b"' }),
      of('c', { finish_reason: 'length' }),
      of('d', {}),
    ];
    const at = (empty: number, cut = 1) =>
      lakeWithTexts(folder, rows, { files, publish: { quality: { empty, cut } } });
    const context = await at(0.25);
    await publish(context);
    const before = bytesBelow(context.lake.dir('features', 'p'));
    const error = await errorOf(async () => publish(await at(0.24, 0.1)));
    assert.is(error.exitCode, 1);
    assert.match(error.message, /25% empty, more than publish\.quality\.empty \(24%\) allows/);
    assert.ok(error.message.includes('such as that of prompt "it\'s\\n\\"b\\""'), error.message);
    assert.match(error.message, /25% cut off .*, more than publish\.quality\.cut \(10%\)/);
    assert.match(error.message, /beside it 0% repetitive, 0% unparsable, 0% failed/);
    assert.match(error.hint ?? '', /raise decode\.maxNewTokens.*publish\.quality\.empty, .*\.cut higher/);
    assert.equal(bytesBelow(context.lake.dir('features', 'p')), before);
  });
});

test('by default the limits are those of the reference', async () => {
  const limits: [Partial<Text>, ok: number, refused: number][] = [
    [{ text: '' }, 1, 2],
    [{ text: words(20, 8) }, 5, 6],
    [{ framework: 'rlmrec', text: '{' }, 20, 21],
    [{ error: 'x' }, 5, 6],
    [{ finish_reason: 'length' }, 100, Number.NaN],
  ];
  for (const [fault, passes, refused] of limits) {
    for (const [bad, expected] of [
      [passes, true],
      [refused, false],
    ] as const) {
      if (Number.isNaN(bad)) continue;
      await inFolder(async (folder) => {
        const rows = Array.from({ length: 100 }, (_, i) =>
          of(`${i}`, i < bad ? fault : fault.framework === undefined ? {} : { ...fault, text: json }),
        );
        const context = await lakeWithTexts(folder, rows, { files });
        const outcome = await publish(context).then(
          () => true,
          (error: Error) => error,
        );
        assert.is(outcome === true, expected, `${JSON.stringify(fault)} x ${bad}: ${outcome}`);
      });
    }
  }
});

test('the command line: exit code 1, the shares in its JSON line, and no features of a partition that had none', async () => {
  await inFolder(async (folder) => {
    const { lake } = await lakeWithTexts(folder, [of('a', { text: ' ' }), of('b', {})], { files });
    const model = { path: join(packageRoot, 'data-samples/model') };
    const config = {
      lake: lake.root,
      partition: 'p',
      model,
      inputs: {
        items: { path: 'items.csv', id: 'id', columns: { title: 'title' } },
        ratings: { path: 'ratings.csv', user: 'who', item: 'id', value: 'stars', time: 'at' },
      },
      cohorts: { items: { columns: ['title'] } },
    };
    writeFileSync(join(folder, 'dare.yaml'), stringify(config));
    const args = ['publish', '--config', join(folder, 'dare.yaml'), '--quiet'];
    const refused = await dare(args);
    assert.is(refused.code, 1, refused.stderr);
    const { stage, exitCode, quality } = resultOf(refused);
    assert.equal([stage, exitCode, quality], ['publish', 1, { ...none, empty: 0.5 }]);
    assert.match(refused.stderr, /^error: dare publish: [^\n]*\nhint: [^\n]*\n$/);
    assert.equal(bytesBelow(lake.dir('features', 'p')), new Map());
    const taken = await dare([...args, '--set', 'publish.quality.empty=1']);
    assert.is(taken.code, 0, taken.stderr);
    assert.equal(resultOf(taken).quality, quality);
    assert.ok(readFileSync(lake.file('features', 'p')).length > 0);
  });
});

test.run();
