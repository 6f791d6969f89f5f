import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LineLog } from '../../src/lake/line-log.js';
import { errorOf, inFolder, moduleUrl, runScript } from './temporary.js';

async function linesOf(path: string): Promise<readonly unknown[]> {
  const log = await LineLog.open(path);
  await log.close();
  return log.lines;
}

async function write(path: string, values: readonly unknown[]): Promise<void> {
  const log = await LineLog.open(path);
  await Promise.all(values.map((value) => log.append(value)));
  await log.sync();
  await log.close();
}

test('what was appended is read back, in the order of the calls, over several openings', () =>
  inFolder(async (root) => {
    const path = join(root, 'log');
    const values = [{ a: 'line\nbreak \ud800 🎬' }, [1.5, null], 'text', 0, {}];
    await write(path, values);
    await write(path, ['more']);
    assert.equal(await linesOf(path), [...values, 'more']);
  }));

test('lines longer than what is read at once, and many short ones between them', () =>
  inFolder(async (root) => {
    const path = join(root, 'log');
    const values = Array.from({ length: 3000 }, (_, i) => (i % 700 === 3 ? 'é'.repeat(i * 300) : i));
    await write(path, values);
    assert.equal(await linesOf(path), values);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 1));
    assert.equal(await linesOf(path), values.slice(0, -1));
    assert.is(readFileSync(path).length, bytes.lastIndexOf(10, bytes.length - 2) + 1);
  }));

test('cut off or spoilt at any place: the lines before it are there, and the file goes on from them (property)', () =>
  inFolder(async (root) => {
    const path = join(root, 'log');
    const values = fc.array(fc.jsonValue({ maxDepth: 1 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        values,
        fc.nat(),
        fc.boolean(),
        fc.uint8Array({ maxLength: 9 }),
        async (all, at, cut, tail) => {
          writeFileSync(path, '');
          await write(path, all);
          const bytes = readFileSync(path);
          const place = at % bytes.length;
          const whole = bytes.subarray(0, place).filter((byte) => byte === 10).length;
          if (cut) writeFileSync(path, Buffer.concat([bytes.subarray(0, place), tail]));
          else {
            bytes[place] = (bytes[place] as number) ^ 1;
            writeFileSync(path, bytes);
          }
          // JSON knows no -0
          const plain = JSON.parse(JSON.stringify(all)) as unknown[];
          assert.equal(await linesOf(path), plain.slice(0, whole));
          await write(path, ['on']);
          assert.equal(await linesOf(path), [...plain.slice(0, whole), 'on']);
        },
      ),
      { numRuns: 30 },
    );
  }));

test('a disk that fails: one sentence, then the same for every call; what was written before stays', () =>
  inFolder(async (root) => {
    const path = join(root, 'log');
    const said = await runScript(
      root,
      `
      import { LineLog } from ${JSON.stringify(moduleUrl('src/lake/line-log.js'))};
      process.on('SIGXFSZ', () => {});
      const log = await LineLog.open(${JSON.stringify(path)});
      const messages = [];
      for (let i = 0; i < 20; i++) await log.append('x'.repeat(200)).catch((error) => messages.push(error.message));
      await log.close();
      console.log(JSON.stringify(messages));`,
      { fileKiB: 1 },
    );
    const messages = JSON.parse(said) as string[];
    assert.is(new Set(messages).size, 1);
    assert.match(messages[0] as string, /could not be written: .*larger than the system allows/);
    assert.is((await linesOf(path)).length, 20 - messages.length);
  }));

test('a folder that is not there: one sentence', () =>
  inFolder(async (root) => {
    const error = await errorOf(() => LineLog.open(join(root, 'nowhere', 'log')));
    assert.match(error.message, /could not be opened: .*nowhere/);
  }));

test.run();
