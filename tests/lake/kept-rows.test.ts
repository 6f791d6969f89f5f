import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { journalName } from '../../src/lake/kept-journal.js';
import { KeptRows } from '../../src/lake/kept-rows.js';
import { LineLog } from '../../src/lake/line-log.js';
import { randomFrom, someSeed } from '../pipeline/killed.js';
import { idsOf, names, rowOf } from './kept.js';
import { errorOf, inFolder, moduleUrl } from './temporary.js';

const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
const run = { model: 'm' };

async function allIds(parts: readonly string[]): Promise<unknown[]> {
  return (await Promise.all(parts.map(idsOf))).flat();
}

test('rows appended without waiting go into parts of bounded size, in order', () =>
  inFolder(async (root) => {
    const folder = join(root, 'kept');
    const kept = await KeptRows.open(folder, run, log, 400);
    const appended = Promise.all(names(10).map((id) => kept.append(rowOf(id))));
    const files = await kept.close();
    await appended;
    assert.equal(await Promise.all(files.map(idsOf)), [names(4), names(4, 4), names(2, 8)]);
    assert.equal(readdirSync(folder).sort(), [
      'journal',
      ...files.map((file) => file.slice(folder.length + 1)),
    ]);
    assert.is(kept.rows, 10);
  }));

test('without rows there are no parts, and nothing is left', () =>
  inFolder(async (root) => {
    const folder = join(root, 'kept');
    assert.equal(await (await KeptRows.open(folder, run, log)).close(), []);
    const kept = await KeptRows.open(folder, run, log);
    await kept.abort();
    await kept.abort();
    assert.equal(readdirSync(root), []);
    assert.match((await errorOf(() => kept.append(rowOf('a')))).message, /has ended/);
  }));

test('what was appended is there after an abort, exact; a row that is refused is not', () =>
  inFolder(async (root) => {
    const vector = Float32Array.from({ length: 7 }, (_, i) => Math.sin(i) * 1e-3);
    const full = {
      ...rowOf('a\ud800 "b"\n'),
      vector,
      outputTokenIds: [5, 2 ** 31 - 1],
      divergence: 0.1 + 0.2,
      ended: true,
    };
    const first = await KeptRows.open(root, run, log);
    await first.append(full);
    const refused = await errorOf(() => first.append({ ...rowOf('b'), divergence: Number.NaN }));
    assert.match(refused.message, /divergence holds NaN/);
    await first.append(rowOf('c'));
    await first.abort();
    const second = await KeptRows.open(root, run, log);
    assert.is(second.rows, 2);
    const duck = await Duck.open();
    const [row, other] = await duck.rows('select * from read_parquet($file)', {
      file: second.parts[0] as string,
    });
    duck.close();
    assert.equal(row?.vector, Array.from(vector));
    assert.equal(
      [row?.output_token_ids, row?.divergence, row?.ended],
      [full.outputTokenIds, full.divergence, true],
    );
    assert.is(other?.prompt_id, 'c');
    await second.append(rowOf('d'));
    assert.equal((await allIds(await second.close())).slice(1), ['c', 'd']);
  }));

test('of a part that is written and not in the journal, and of its log, one counts', () =>
  inFolder(async (root) => {
    const kept = await KeptRows.open(root, run, log, 1);
    for (const id of names(3)) await kept.append(rowOf(id));
    await kept.abort();
    // as after a crash between the two steps of closing a part
    writeFileSync(join(root, 'part-2.rows'), 'half');
    const open = await KeptRows.open(join(root, 'other'), run, log);
    await open.append(rowOf('k0'));
    await open.abort();
    renameSync(join(root, 'other', 'rows-0.log'), join(root, 'rows-0.log'));
    const again = await KeptRows.open(root, run, log, 1);
    assert.equal(await allIds(await again.close()), names(3));
  }));

const journals: readonly [name: string, header: unknown, says: RegExp][] = [
  ['of another version', { format: 3, run }, /were kept by another version of dare: starting anew$/],
  ['of another run', { format: 4, run: { model: 'other' } }, /are of another run \(other model\): starting/],
  ['without a beginning', { part: 0, rows: 1, sha256: '' }, /have no whole journal: starting anew$/],
];
for (const [name, header, says] of journals) {
  test(`rows with a journal ${name} are decoded again, and it is said why`, () =>
    inFolder(async (root) => {
      const kept = await KeptRows.open(root, run, log);
      await kept.append(rowOf('a'));
      await kept.close();
      const journal = join(root, journalName);
      rmSync(journal);
      const lines = await LineLog.open(journal);
      await lines.append(header);
      await lines.close();
      const warnings: string[] = [];
      const warn = (_: object, message: string) => warnings.push(message);
      const again = await KeptRows.open(root, run, { ...log, warn });
      assert.is(again.rows, 0);
      await again.close();
      assert.is(warnings.length, 1);
      assert.match(warnings[0] as string, says);
    }));
}

test('a part that is gone is said once; the others stay', () =>
  inFolder(async (root) => {
    const kept = await KeptRows.open(root, run, log, 1);
    for (const id of names(3)) await kept.append(rowOf(id));
    const [, second = ''] = await kept.close();
    rmSync(second);
    const warnings: string[] = [];
    const warn = (_: object, message: string) => warnings.push(message);
    for (const [turn, ids] of [
      ['k0', 'k2'],
      ['k0', 'k2', 'new'],
    ].entries()) {
      const again = await KeptRows.open(root, run, { ...log, warn }, 1);
      if (turn > 0) await again.append(rowOf('new'));
      assert.equal(await allIds(await again.close()), ids);
    }
    assert.is(warnings.length, 1, warnings.join('\n'));
    assert.match(warnings[0] as string, /part-1\.rows is damaged or gone: its 1 texts are decoded again/);
  }));

test('a process that appends is killed at random moments: what it had been told is kept is there, once and in order', () =>
  inFolder(async (root) => {
    const random = randomFrom(someSeed());
    const folder = join(root, 'kept');
    const source = `
      import { writeSync } from 'node:fs';
      import { KeptRows } from ${JSON.stringify(moduleUrl('src/lake/kept-rows.js'))};
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const kept = await KeptRows.open(${JSON.stringify(folder)}, ${JSON.stringify(run)}, log, 700);
      const row = ${JSON.stringify(rowOf(''))};
      for (let i = kept.rows; ; i++) {
        await kept.append({ ...row, promptId: 'k' + i });
        writeSync(1, i + '\\n');
      }`;
    let told = 0;
    for (let turn = 0; turn < 8; turn++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const target = told + 1 + random() * 30;
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        told = Math.max(
          told,
          ...text
            .trim()
            .split('\n')
            .map((line) => Number(line) + 1),
        );
        if (told >= target) child.kill('SIGKILL');
      });
      await once(child, 'close');
      const kept = await KeptRows.open(folder, run, log, 700);
      assert.ok(kept.rows >= told, `${told} rows were kept, ${kept.rows} are`);
      assert.equal(await allIds(kept.parts), names(kept.rows));
      await kept.abort();
    }
  }));

test.run();
