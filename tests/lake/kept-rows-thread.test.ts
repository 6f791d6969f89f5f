/** The thread that makes parts of full logs: beside what is appended, held, ended, and on a full disk. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptRows } from '../../src/lake/kept-rows.js';
import { idsOf, names, rowOf } from './kept.js';
import { errorOf, inFolder, moduleUrl, runScript, type ScriptLimits } from './temporary.js';

const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
const run = { model: 'm' };
/** Two rows fill a log. */
const partBytes = 200;

/**
 * Runs a script that appends to `<root>/kept`: `kept` is the KeptRows, `append(i)` appends row `k<i>`, `pipe(n)` is the
 * pipe of log n, `files()` what the folder holds. Returns what it prints, as JSON.
 */
async function script(root: string, source: string, limits: ScriptLimits = {}): Promise<unknown> {
  for (let n = 0; n < 2; n++) execFileSync('mkfifo', [join(root, `rows-${n}.log`)]);
  const said = await runScript(
    root,
    `
    import { readdirSync } from 'node:fs';
    import { readFile, writeFile } from 'node:fs/promises';
    import { KeptRows } from ${JSON.stringify(moduleUrl('src/lake/kept-rows.js'))};
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const folder = ${JSON.stringify(join(root, 'kept'))};
    const kept = await KeptRows.open(folder, ${JSON.stringify(run)}, log, ${partBytes});
    const row = ${JSON.stringify(rowOf(''))};
    const append = (i) => kept.append({ ...row, promptId: 'k' + i });
    const pipe = (n) => ${JSON.stringify(root)} + '/rows-' + n + '.log';
    const files = () => readdirSync(folder).sort();
    const say = (value) => console.log(JSON.stringify(value));
    ${source}`,
    limits,
  );
  return said === '' ? undefined : JSON.parse(said);
}

const inThread = (source: string) => `
  import { basename, dirname, join } from 'node:path';
  import { readFileSync, writeFileSync } from 'node:fs';
  import { open } from 'node:fs/promises';
  import { workerData } from 'node:worker_threads';
  if (workerData?.part !== undefined) {
    const pipe = join(dirname(dirname(workerData.log)), basename(workerData.log));
    ${source}
  }`;

/** The thread waits before its work until somebody writes to the log's pipe. */
const held = inThread('readFileSync(pipe);');

/** In the middle of the part: its first bytes are written. */
const midway = (action: string) =>
  inThread(`
    const handle = await open('/dev/null');
    const proto = Object.getPrototypeOf(handle);
    await handle.close();
    const { write } = proto;
    let writes = 0;
    proto.write = function (...given) {
      if (++writes === 2) { ${action} }
      return write.apply(this, given);
    };`);

/** What the next opening finds, in its parts. */
async function reopened(root: string): Promise<{ ids: unknown[][]; files: string[] }> {
  const folder = join(root, 'kept');
  const kept = await KeptRows.open(folder, run, log, partBytes);
  const ids = await Promise.all((await kept.close()).map(idsOf));
  return { ids, files: readdirSync(folder).sort() };
}

test('rows are appended while a part is made; with two full logs waiting the next row waits too', () =>
  inFolder(async (root) => {
    const said = await script(
      root,
      `
      for (let i = 0; i < 4; i++) await append(i);
      const before = files();
      let settled = false;
      const fifth = append(4).then(() => (settled = true));
      // goes through the system several times, as the row would
      for (let i = 0; i < 20; i++) await readFile(folder + '/journal');
      const waiting = { settled, files: files() };
      await writeFile(pipe(0), '');
      await fifth;
      const after = files();
      await writeFile(pipe(1), '');
      // the last log needs no thread
      const parts = await kept.close();
      say({ before, waiting, after, parts: parts.length, rows: kept.rows });`,
      { preload: held },
    );
    assert.equal(said, {
      before: ['journal', 'rows-0.log', 'rows-1.log'],
      waiting: { settled: false, files: ['journal', 'rows-0.log', 'rows-1.log'] },
      after: ['journal', 'part-0.rows', 'rows-1.log', 'rows-2.log'],
      parts: 3,
      rows: 5,
    });
    assert.equal((await reopened(root)).ids, [names(2), names(2, 2), names(1, 4)]);
  }));

test('killed with one full log under way and another one waiting: each becomes a part on opening', () =>
  inFolder(async (root) => {
    const killed = `for (let i = 0; i < 4; i++) await append(i);
      void append(4);
      process.kill(process.pid, 'SIGKILL');`;
    await errorOf(() => script(root, killed, { preload: held }));
    assert.equal(await reopened(root), {
      ids: [names(2), names(2, 2)],
      files: ['journal', 'part-0.rows', 'part-1.rows'],
    });
  }));

test('an abort ends the thread in the middle of a part: the logs are left, and nothing half written', () =>
  inFolder(async (root) => {
    const wait = 'writeFileSync(pipe, ""); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);';
    const said = await script(
      root,
      `
      for (let i = 0; i < 4; i++) await append(i);
      const fifth = append(4).catch(({ message }) => message);
      await readFile(pipe(0));
      await kept.abort();
      say({ fifth: await fifth, rows: kept.rows, files: files() });`,
      { preload: midway(wait) },
    );
    assert.equal(said, {
      fifth: `writing to ${join(root, 'kept')} has ended`,
      rows: 4,
      files: ['journal', 'rows-0.log', 'rows-1.log'],
    });
    assert.equal((await reopened(root)).ids, [names(2), names(2, 2)]);
  }));

/** Appends until a row fails, and ends: what failed, and what is left. */
const untilItFails = `
  const messages = [];
  let told = 0;
  while (messages.length === 0) await append(told).then(() => told++, ({ message }) => messages.push(message));
  for (const end of [() => append(told), () => kept.close()])
    await end().catch(({ message }) => messages.push(message));
  await kept.abort();
  say({ messages, told, rows: kept.rows, files: files().filter((name) => !name.startsWith('rows-')) });`;

for (const [name, limits, says] of [
  [
    'a thread that ends in the middle of a part',
    { preload: midway('process.exit(7);') },
    /^The thread that keeps finished texts ended with code 7$/,
  ],
  [
    'a thread that fails in the middle of a part',
    {
      preload: midway(
        'setImmediate(() => { throw new Error("out of luck"); }); return new Promise(() => {});',
      ),
    },
    /^The thread that keeps finished texts failed: out of luck$/,
  ],
  [
    // the headers of its columns make a part larger than the log of two short rows
    'a full disk under a part',
    { fileKiB: 2 },
    /^the file could not be written: .*part-0\.rows: the file would be larger than the system allows$/,
  ],
] as const) {
  test(`${name}: one sentence for the rows that follow and for the end; no finished row is lost`, () =>
    inFolder(async (root) => {
      const said = (await script(root, untilItFails, limits)) as {
        messages: string[];
        told: number;
        rows: number;
        files: string[];
      };
      assert.equal(new Set(said.messages).size, 1, said.messages.join('\n'));
      assert.is(said.messages.length, 3);
      assert.match(said.messages[0] as string, says);
      assert.equal([said.rows, said.files], [said.told, ['journal']]);
      assert.ok(said.told >= 2, String(said.told));
      assert.equal((await reopened(root)).ids.flat(), names(said.told));
    }));
}

test('a log that loses rows while it is kept: its part does not count', () =>
  inFolder(async (root) => {
    const said = await script(
      root,
      `
      const { statSync, truncateSync } = await import('node:fs');
      for (let i = 0; i < 2; i++) await append(i);
      truncateSync(folder + '/rows-0.log', statSync(folder + '/rows-0.log').size - 1);
      say(await kept.close().catch(({ message }) => message));
      await kept.abort();`,
    );
    assert.match(said as string, /rows-0\.log holds 1 whole texts of the 2 written to it/);
    assert.equal((await reopened(root)).ids, [names(1)]);
  }));

test.run();
