import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptTexts } from '../../src/lake/kept-texts.js';
import { FeatureWriter, type TextRow } from '../../src/lake/writer.js';
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

const taken = (id: string): TextRow => ({ ...rowOf(id), error: null, outputTokenIds: [1], ended: true });

test('which of the texts that were taken over go into pools does not depend on how the parts were cut', () =>
  inFolder(async (root) => {
    const rows = Array.from({ length: 24 }, (_, i) => ({
      ...taken(`k${i}`),
      emittedTokens: i % 4 === 0 ? 2 : null,
    }));
    const idsBy = async (size: number) => {
      const kept = await KeptTexts.open(await partsOf(root, rows, size));
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
    const kept = await KeptTexts.open(await partsOf(root, rows, 2));
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

test('without parts there is nothing', async () => {
  const kept = await KeptTexts.open([]);
  assert.equal([await kept.sums(), await kept.failures(3), await kept.takenOver(3)], [[], [], []]);
  assert.equal(await kept.finished('nowhere', 3, 0), new Uint8Array(3));
  kept.close();
});

test.run();
