import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { costsIn, keepCosts, releaseCosts, storedCosts } from '../../src/decode/stored-costs.js';
import { DareError } from '../../src/errors.js';
import { writeManifest } from '../../src/lake/manifest.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-stored-costs-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const model = { modelFingerprint: 'a', weights: 'int8' };
const costs = (milliseconds: number) => ({ batch: [1], rows: [1], milliseconds: [[milliseconds]] });
const places = (name: string) => [join(folder, name, 'unfinished'), join(folder, name, 'texts')] as const;

test('texts that are there say what the next ones are weighed by, if they are of the same model', async () => {
  const [unfinished, texts] = places('manifest');
  assert.is(await storedCosts(model, unfinished, texts), undefined);
  await writeManifest(texts, { stage: 'decode', ...model, costs: costs(3), rows: 1 });
  assert.equal(await storedCosts(model, unfinished, texts), costs(3));
  assert.is(await storedCosts(model, unfinished, undefined), undefined);
  for (const other of [{ modelFingerprint: 'b' }, { weights: 'float32' }])
    assert.is(await storedCosts({ ...model, ...other }, unfinished, texts), undefined);
  await writeManifest(texts, { stage: 'decode', ...model, rows: 1 });
  assert.is(await storedCosts(model, unfinished, texts), undefined, 'texts that depend on none');
});

test('the first shard decides for all, until nothing unfinished is kept', async () => {
  const [unfinished, texts] = places('shards');
  await writeManifest(texts, { ...model, costs: costs(3) });
  assert.equal(keepCosts(model, costs(5), unfinished), costs(5));
  assert.equal(keepCosts(model, costs(7), unfinished), costs(5));
  assert.equal(await storedCosts(model, unfinished, texts), costs(5), 'before those of the texts');
  writeFileSync(join(unfinished, 'part-1-of-2.parquet'), '');
  releaseCosts(unfinished);
  assert.equal(await storedCosts(model, unfinished, texts), costs(5));
  rmSync(join(unfinished, 'part-1-of-2.parquet'));
  releaseCosts(unfinished);
  assert.not(existsSync(join(unfinished, 'costs/table.json')));
  assert.equal(await storedCosts(model, unfinished, texts), costs(3));
  releaseCosts(join(folder, 'nowhere'));
});

test("another model's table gives way", async () => {
  const [unfinished] = places('other');
  keepCosts({ ...model, weights: 'int4' }, costs(1), unfinished);
  assert.is(await storedCosts(model, unfinished, undefined), undefined);
  assert.equal(keepCosts(model, costs(2), unfinished), costs(2));
  assert.equal(await storedCosts(model, unfinished, undefined), costs(2));
});

test('a broken file is an error that says what to do', async () => {
  const [unfinished] = places('broken');
  keepCosts(model, costs(1), unfinished);
  for (const text of ['{"modelFingerprint":"a"', '{"modelFingerprint":"a","weights":"int8"}']) {
    writeFileSync(join(unfinished, 'costs/table.json'), text);
    await storedCosts(model, unfinished, undefined).then(
      () => assert.unreachable(text),
      (error: unknown) => {
        assert.instance(error, DareError);
        assert.match((error as DareError).message, /table\.json holds no cost table/);
      },
    );
  }
});

test('what a shard says of itself holds its table, or none', () => {
  assert.equal(costsIn({ ...model, costs: costs(1), run: {} }), costs(1));
  assert.is(costsIn({ ...model, run: {} }), undefined);
});

test.run();
