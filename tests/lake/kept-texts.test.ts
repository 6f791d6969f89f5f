import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decoded, inPools, KeptTexts } from '../../src/lake/kept-texts.js';
import { FeatureWriter, type TextRow } from '../../src/lake/writer.js';
import { writeTable } from '../prompts/fixture.js';
import { rowOf } from './kept.js';
import { inFolder } from './temporary.js';

/** Writes rows into parts of so many. */
async function partsOf(folder: string, rows: readonly TextRow[], size: number): Promise<string[]> {
  const files: string[] = [];
  for (let from = 0; from < rows.length; from += size) {
    const file = join(folder, `${size}-${from}.rows`);
    const writer = await FeatureWriter.open(file);
    for (const row of rows.slice(from, from + size)) await writer.append(row);
    await writer.close();
    files.push(file);
  }
  return files;
}

const taken = (id: string): TextRow => ({
  ...rowOf(id),
  error: null,
  outputTokenIds: [1],
  ended: true,
  takenOver: true,
});

test('which of the texts that were taken over go into pools does not depend on how the parts were cut', () =>
  inFolder(async (root) => {
    const rows = Array.from({ length: 24 }, (_, i) => ({
      ...taken(`k${i}`),
      takenOver: i % 4 !== 0,
    }));
    const idsBy = async (size: number) => {
      const kept = await KeptTexts.open(await partsOf(root, rows, size), false);
      try {
        return (await kept.takenOver(7)).map(({ promptId }) => promptId);
      } finally {
        kept.close();
      }
    };
    const whole = await idsBy(24);
    assert.is(whole.length, 7);
    assert.ok(
      whole.every((id) => Number(id.slice(1)) % 4 !== 0),
      whole.join(),
    );
    for (const size of [1, 5, 12]) assert.equal(await idsBy(size), whole);
  }));

test('sums and texts of a round over all parts; what was taken over is apart', () =>
  inFolder(async (root) => {
    const decoded = {
      emittedTokens: 3,
      outputTokens: 2,
      decodeSteps: 1,
      outputTokenIds: [4, 5],
      ended: true,
      error: null,
    };
    const rows = [
      { ...rowOf('b'), ...decoded },
      { ...rowOf('a'), ...decoded },
      { ...rowOf('c'), ...decoded, round: 1 },
      { ...rowOf('d'), error: 'too long' },
      { ...taken('e'), outputTokens: 9 },
    ];
    const kept = await KeptTexts.open(await partsOf(root, rows, 2), false);
    try {
      const sums = await kept.sums();
      const of = (takenOver: boolean, round: number) =>
        sums.filter((sum) => sum.takenOver === takenOver && sum.round === round);
      assert.equal(
        of(false, 0).map(({ rows, failed, outputTokens, emittedTokens }) => [
          rows,
          failed,
          outputTokens,
          emittedTokens,
        ]),
        [[3, 1, 4, 6]],
      );
      assert.equal([of(false, 1)[0]?.rows, of(true, 0)[0]?.rows, of(true, 0)[0]?.outputTokens], [1, 1, 9]);
      assert.equal(await kept.failures(3), ['d: too long']);
      const ids: string[] = [];
      for await (const { promptId } of kept.texts(0)) ids.push(promptId);
      assert.equal(ids.sort(), ['a', 'b']);
    } finally {
      kept.close();
    }
  }));

test('with pools given, texts without any are of the first round: apart in the sums, and marked as those in the pools', () =>
  inFolder(async (root) => {
    const text = { error: null, emittedTokens: 3, outputTokens: 2, outputTokenIds: [4, 5], ended: true };
    const rows = [
      { ...rowOf('a'), ...text, poolVersion: null },
      { ...rowOf('b'), ...text, poolVersion: 'v' },
      { ...taken('c'), poolVersion: null },
      { ...rowOf('d'), error: 'too long', poolVersion: 'v' },
    ];
    const prompts = join(root, 'prompts.parquet');
    await writeTable(
      prompts,
      { prompt_id: 'VARCHAR' },
      'abcd'.split('').map((prompt_id) => ({ prompt_id })),
    );
    const parts = await partsOf(root, rows, 3);
    const found = async (pooled: boolean) => {
      const kept = await KeptTexts.open(parts, pooled);
      try {
        const first = (await kept.sums()).filter(({ firstRound }) => firstRound);
        return {
          first: first.map((sum) => sum.emittedTokens),
          marks: [...(await kept.finished(prompts, 4, 4))],
        };
      } finally {
        kept.close();
      }
    };
    assert.equal(await found(true), { first: [3], marks: [inPools, decoded, inPools, decoded] });
    assert.equal(await found(false), { first: [], marks: [decoded, decoded, inPools, decoded] });
  }));

test('without parts there is nothing', async () => {
  const kept = await KeptTexts.open([], false);
  assert.equal([await kept.sums(), await kept.failures(3), await kept.takenOver(3)], [[], [], []]);
  assert.equal(await kept.finished('nowhere', 3, 0), new Uint8Array(3));
  kept.close();
});

test.run();
