import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RunLock } from '../../src/lake/lock.js';
import { ownIdentity, type ProcessIdentity } from '../../src/lake/process.js';
import { errorOf, inFolder, moduleUrl } from './temporary.js';

/** A logger that keeps its warnings. */
function logOf(warnings: string[]) {
  const silent = () => undefined;
  return {
    debug: silent,
    info: silent,
    error: silent,
    warn: (_: object, message: string) => warnings.push(message),
  };
}

const quiet = logOf([]);

/** A process that takes the lock when it is told to (a line on stdin), says `got` or `refused`, and stays. */
async function contender(path: string): Promise<ChildProcess> {
  const source = `
    import { RunLock } from ${JSON.stringify(moduleUrl('src/lake/lock.js'))};
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    process.stdin.once('data', () => {
      try {
        RunLock.take(${JSON.stringify(path)}, 'the table', log);
        console.log('got');
      } catch (error) {
        console.log('refused ' + error.message);
      }
    });
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function answerOf(child: ChildProcess): Promise<string> {
  child.stdin?.write('go\n');
  const [data] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  return String(data).trim();
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'close');
}

/** A lock of somebody who differs from this process in one thing. */
function leave(path: string, changes: Partial<ProcessIdentity>): void {
  mkdirSync(`${path}-1`);
  writeFileSync(join(`${path}-1`, 'owner.json'), JSON.stringify({ ...ownIdentity(), ...changes }));
}

test('one at a time; the second hears whose it is, and gets it when it is given back', () =>
  inFolder(async (root) => {
    const path = join(root, 'deep', 'a.lock');
    const lock = RunLock.take(path, 'the table', quiet);
    const { pid, host, started } = ownIdentity();
    const error = await errorOf(() => RunLock.take(path, 'the table', quiet));
    assert.match(
      error.message,
      `the table: another run is at work on it, process ${pid} on ${host}, started `,
    );
    assert.ok(error.message.includes(started.slice(0, 16)), error.message);
    assert.is(error.exitCode, 1);
    RunLock.take(join(root, 'deep', 'b.lock'), 'another table', quiet).release();
    lock.release();
    lock.release();
    RunLock.take(path, 'the table', quiet).release();
    assert.equal(readdirSync(join(root, 'deep')), []);
  }));

test('the lock of a process that was killed is taken over, and that is said', () =>
  inFolder(async (root) => {
    const path = join(root, 'a.lock');
    const child = await contender(path);
    assert.is(await answerOf(child), 'got');
    const refused = await errorOf(() => RunLock.take(path, 'the table', quiet));
    assert.match(refused.message, new RegExp(`process ${child.pid} on `));
    await end(child);
    const warnings: string[] = [];
    const lock = RunLock.take(path, 'the table', logOf(warnings));
    assert.is(warnings.length, 1);
    assert.match(warnings[0] as string, new RegExp(`is gone \\(process ${child.pid} on .*\\): taken over`));
    assert.equal(readdirSync(root), ['a.lock-2']);
    lock.release();
    assert.equal(readdirSync(root), []);
  }));

test('of many that come at once one gets it, a free one and a stale one', () =>
  inFolder(async (root) => {
    const path = join(root, 'a.lock');
    for (const stale of [false, true]) {
      if (stale) leave(path, { tick: '1' });
      const children = await Promise.all(Array.from({ length: 4 }, () => contender(path)));
      const answers = await Promise.all(children.map(answerOf));
      assert.is(answers.filter((answer) => answer === 'got').length, 1, answers.join('\n'));
      for (const answer of answers)
        if (answer !== 'got') assert.match(answer, /another run is at work on it/);
      await Promise.all(children.map(end));
      RunLock.take(path, 'the table', quiet).release();
    }
    assert.equal(readdirSync(root), []);
  }));

const gone: [name: string, changes: Partial<ProcessIdentity>][] = [
  ['before the machine was started anew', { boot: 'another' }],
  ['by a process that is gone', { pid: 2 ** 22 + 1 }],
  ['by a process whose number another one has now', { tick: '1' }],
];
for (const [name, changes] of gone) {
  test(`a lock taken ${name} is taken over`, () =>
    inFolder((root) => {
      const path = join(root, 'a.lock');
      leave(path, changes);
      const warnings: string[] = [];
      RunLock.take(path, 'the table', logOf(warnings));
      assert.is(warnings.length, 1);
      assert.equal(readdirSync(root), ['a.lock-2']);
    }));
}

for (const [name, changes] of [
  ['on another host', { host: 'elsewhere' }],
  ['in another container on this host', { namespace: 'pid:[1]' }],
] as const) {
  test(`whether a process ${name} still runs can't be seen: refused, with what to do`, () =>
    inFolder(async (root) => {
      const path = join(root, 'a.lock');
      leave(path, changes);
      const before = readFileSync(join(`${path}-1`, 'owner.json'), 'utf8');
      const error = await errorOf(() => RunLock.take(path, 'the table', quiet));
      assert.match(error.message, /can't be seen from here/);
      assert.match(error.hint as string, `If it is gone, remove ${path}-1 and start again`);
      assert.is(error.exitCode, 1);
      assert.is(readFileSync(join(`${path}-1`, 'owner.json'), 'utf8'), before);
    }));
}

test('a lock without a readable owner is nobody’s', () =>
  inFolder((root) => {
    const path = join(root, 'a.lock');
    for (const text of ['', '{}', 'null', '{"pid": "1"}']) {
      mkdirSync(`${path}-1`);
      writeFileSync(join(`${path}-1`, 'owner.json'), text);
      RunLock.take(path, 'the table', quiet).release();
      assert.equal(readdirSync(root), []);
    }
  }));

test('the lock of a process that has ended is free, though nobody waits for its end', () =>
  inFolder(async (root) => {
    if (!existsSync('/proc/self/stat')) return;
    const path = join(root, 'a.lock');
    const source = `
      import { RunLock } from ${JSON.stringify(moduleUrl('src/lake/lock.js'))};
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      RunLock.take(${JSON.stringify(path)}, 'the table', log);
      console.log(process.pid);
      setInterval(() => {}, 1e6);`;
    // the shell's place is taken by a program that knows of no children
    const shell = spawn('sh', [
      '-c',
      '"$@" & exec sleep 1000',
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      source,
    ]);
    const [data] = await once(shell.stdout, 'data');
    const pid = Number(data);
    const refused = await errorOf(() => RunLock.take(path, 'the table', quiet));
    assert.match(refused.message, `another run is at work on it, process ${pid} on `);
    process.kill(pid, 'SIGKILL');
    while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) await setImmediate();
    const warnings: string[] = [];
    RunLock.take(path, 'the table', logOf(warnings)).release();
    assert.match(warnings.join(), `the run that held the lock is gone (process ${pid} on`);
    await end(shell);
  }));

test.run();
