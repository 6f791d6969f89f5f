/** The generation before: kept when features are replaced, exchanged by `dare rollback`, whatever moment kills it. */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { freshness } from '../../pipeline/freshness.js';
import { publish } from '../../pipeline/publish.js';
import { rollback } from '../../pipeline/rollback.js';
import { RunLock } from '../../src/lake/lock.js';
import { readManifest, writeManifest } from '../../src/lake/manifest.js';
import { packageRoot } from '../../src/paths.js';
import type { StageContext } from '../../src/stage.js';
import { dare, resultOf } from '../cli/spawn.js';
import { bytesBelow, errorOf, inFolder, query, readTable, writeTable } from '../prompts/fixture.js';
import { lakeWithTexts, type Text } from './lake.js';

const files = {
  'items.csv': 'id,title\na,A\nb,B',
  'ratings.csv': 'who,id,stars,at\nu,a,5,2024-01-01T00:00:00Z',
};

/** Texts that say which generation they are, published. */
async function publishTexts(folder: string, text: string, keep = 1): Promise<StageContext> {
  const rows: Text[] = [{ framework: 'kar', entity_type: 'item', entity_id: 'a', text }];
  const context = await lakeWithTexts(folder, rows, { files, publish: { keep } });
  await writeTable(
    context.lake.file('cohorts', 'p'),
    { entity_type: 'VARCHAR', entity_id: 'VARCHAR', cohort: 'VARCHAR', distance: 'DOUBLE' },
    [],
  );
  await writeManifest(context.lake.dir('texts', 'p'), { model: 'm', mode: 'greedy', version: text });
  await publish(context);
  return context;
}

async function published({ lake }: StageContext): Promise<unknown> {
  return (await readTable(lake.file('features', 'p')))[0]?.kar;
}

test('what is replaced is kept where no glob finds it; rollback exchanges the two, twice', async () => {
  await inFolder(async (folder) => {
    const context = await publishTexts(folder, 'good');
    const { lake } = context;
    const good = bytesBelow(lake.dir('features', 'p'));
    assert.not.ok(existsSync(lake.earlier('features', 'p')));
    await publishTexts(folder, 'bad');
    const found = await query('SELECT * FROM glob($all)', { all: join(lake.root, '**/*.parquet') });
    assert.equal(
      found.map(({ file }) => String(file).slice(lake.root.length + 1)).filter((file) => /feat|_/.test(file)),
      ['features/partition=p/features.parquet'],
    );
    const result = await rollback(context);
    assert.equal([result.rows, result.partition], [3, 'p']);
    assert.is(await published(context), 'good');
    const { rolledBack, ...manifest } = (await readManifest(lake.dir('features', 'p'))) ?? {};
    assert.ok(rolledBack);
    assert.equal(
      Object.keys(manifest),
      Object.keys(JSON.parse(good.get('_manifest.json') as string) as object),
    );
    assert.ok(readFileSync(lake.file('features', 'p'), 'latin1') === good.get('features.parquet'));
    await rollback(context);
    assert.is(await published(context), 'bad');
    assert.equal(
      [...bytesBelow(join(lake.root, '_earlier')).keys()],
      ['features/partition=p/_manifest.json', 'features/partition=p/features.earlier'],
    );
    assert.not.ok(existsSync(join(lake.root, '_unfinished')));
  });
});

test('rolled back features are fresh until something that they are made from changes', async () => {
  await inFolder(async (folder) => {
    await publishTexts(folder, 'good');
    const context = await publishTexts(folder, 'bad');
    assert.equal((await freshness('features', context)).reasons, []);
    await rollback(context);
    const rolledBack = await freshness('features', context);
    assert.is(rolledBack.state, 'fresh');
    assert.match(rolledBack.reasons.join(), /^rolled back: .* withdrawn/);
    await writeManifest(context.lake.dir('texts', 'p'), { model: 'm', mode: 'greedy', version: 'better' });
    assert.equal(await freshness('features', context), {
      table: 'features',
      partition: 'p',
      state: 'stale',
      reasons: ['the table texts changed'],
    });
    await publishTexts(folder, 'bad');
    assert.equal((await freshness('features', context)).reasons, []);
  });
});

test('the same content again is no new generation; keep: 0 keeps none', async () => {
  await inFolder(async (folder) => {
    await publishTexts(folder, 'good');
    const context = await publishTexts(folder, 'bad');
    await publishTexts(folder, 'bad');
    await rollback(context);
    assert.is(await published(context), 'good');
    await publishTexts(folder, 'third', 0);
    assert.not.ok(existsSync(context.lake.earlier('features', 'p')));
    const error = await errorOf(() => rollback(context));
    assert.match(error.message, /there are no earlier features of the partition p/);
    assert.is(error.exitCode, 2);
    assert.is(await published(context), 'third');
  });
});

test('killed between any two steps, a rollback or a reader finds a whole generation, and it can be run again', async () => {
  await inFolder(async (folder) => {
    await publishTexts(folder, 'good');
    const context = await publishTexts(folder, 'bad');
    const { lake } = context;
    const current = lake.dir('features', 'p');
    const kept = lake.earlier('features', 'p');
    const before = join(folder, 'before');
    cpSync(lake.root, before, { recursive: true, preserveTimestamps: true });
    await rollback(context);
    const after = join(folder, 'after');
    cpSync(lake.root, after, { recursive: true, preserveTimestamps: true });
    const inSaved = (saved: string, path: string) => join(saved, path.slice(lake.root.length));
    const steps: { name: string; table: string; manifest: string; kept: string | undefined; ends: string }[] =
      [
        { name: 'after the table', table: after, manifest: before, kept: before, ends: 'good' },
        { name: 'after its manifest', table: after, manifest: after, kept: before, ends: 'refused' },
        { name: 'without a kept one', table: after, manifest: after, kept: undefined, ends: 'refused' },
      ];
    for (const step of steps) {
      rmSync(lake.root, { recursive: true });
      cpSync(before, lake.root, { recursive: true, preserveTimestamps: true });
      const file = lake.file('features', 'p');
      cpSync(inSaved(step.table, file), file, { preserveTimestamps: true });
      const manifest = join(current, '_manifest.json');
      cpSync(inSaved(step.manifest, manifest), manifest, { preserveTimestamps: true });
      rmSync(kept, { recursive: true });
      if (step.kept !== undefined)
        cpSync(inSaved(step.kept, kept), kept, { recursive: true, preserveTimestamps: true });
      const outcome = await rollback(context).then(
        () => 'good',
        (error: { exitCode?: number }) => (error.exitCode === 2 ? 'refused' : error),
      );
      assert.is(outcome, step.ends, step.name);
      assert.is(await published(context), 'good', step.name);
      assert.equal((await freshness('features', context)).state, 'fresh', step.name);
    }
  });
});

test('a kept generation that is damaged is refused, and so is a partition that a run is at work on', async () => {
  await inFolder(async (folder) => {
    await publishTexts(folder, 'good');
    const context = await publishTexts(folder, 'bad');
    const { lake, log } = context;
    const lock = RunLock.take(join(lake.unfinished('features', 'p'), 'whole.lock'), 'features', log);
    for (const work of [publish, rollback]) {
      const error = await errorOf(() => work(context));
      assert.match(error.message, /another run is at work on it, process/);
      assert.is(error.exitCode, 1);
    }
    lock.release();
    const file = join(lake.earlier('features', 'p'), 'features.earlier');
    writeFileSync(file, readFileSync(file).subarray(1));
    const error = await errorOf(() => rollback(context));
    assert.match(error.message, /features\.earlier isn't the file that its _manifest\.json describes/);
    assert.is(await published(context), 'bad');
  });
});

test('the command line rolls back a partition by name, and status says so', async () => {
  await inFolder(async (folder) => {
    await publishTexts(folder, 'good');
    const context = await publishTexts(folder, 'bad');
    const { inputs } = context.config;
    const config = {
      lake: context.lake.root,
      partition: 'another',
      model: { path: join(packageRoot, 'data-samples/model') },
      inputs,
      cohorts: { items: { columns: ['title'] } },
    };
    const file = join(folder, 'dare.yaml');
    writeFileSync(file, stringify(config));
    const args = ['--config', file, '--partition', 'p'];
    const rolled = await dare(['rollback', ...args, '--quiet']);
    assert.is(rolled.code, 0, rolled.stderr);
    assert.equal([resultOf(rolled).stage, resultOf(rolled).rows], ['rollback', 3]);
    assert.is(await published(context), 'good');
    const status = await dare(['status', ...args]);
    assert.match(status.stderr, /features +\w+ +rolled back: /);
    const missing = await dare(['rollback', '--config', file, '--quiet']);
    assert.is(missing.code, 2);
    assert.match(missing.stderr, /there are no earlier features of the partition another/);
    assert.not.ok(existsSync(context.lake.dir('features', 'another')), 'nor is there a folder of it now');
  });
});

test.run();
