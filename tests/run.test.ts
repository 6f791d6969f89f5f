/** The runner on a few test files of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../src/paths.js';
import { sharedCache } from './model-cache.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-runner-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const urlOf = (file: string) => JSON.stringify(pathToFileURL(join(packageRoot, file)).href);
const imports = [
  `import { test } from ${urlOf('node_modules/uvu/dist/index.mjs')};`,
  `import { lacking } from ${urlOf('dist/tests/lacking.js')};`,
  `import { cache } from ${urlOf('dist/tests/model-cache.js')};`,
].join('\n');

const files: Record<string, string> = {
  plain: `test('one', () => undefined); test('two', () => undefined);`,
  ray: `for (const i of [1, 2]) test('r' + i, () => lacking('ray', 'make it')); test('three', () => undefined);`,
  one: `test('one', () => console.log('note: ' + cache));`,
  two: `test('two', () => console.log('note: ' + cache));`,
  endless: `import { renameSync, writeFileSync } from 'node:fs'; test('endless', () => {
    writeFileSync('begun.tmp', JSON.stringify({ cache, pid: process.pid })); renameSync('begun.tmp', 'begun');
    return new Promise((resolve) => setTimeout(resolve, 600_000));
  });`,
  gpu: `test('nothing', () => lacking('gpu', 'buy one')); test.skip('a', () => 1); test.skip('b', () => 1);`,
};

/** Runs the runner on some of the files. The last three lines of its output. */
function run(
  names: readonly string[],
  require = '',
): { code: number | null; last: string[]; output: string } {
  const place = written(names);
  const { status, stdout } = spawnSync(process.execPath, [join(packageRoot, 'dist/tests/run.js')], {
    cwd: place,
    encoding: 'utf8',
    env: { ...process.env, DARE_TEST_REQUIRE: require, [sharedCache]: undefined },
  });
  return { code: status, last: stdout.trimEnd().split('\n').slice(-3), output: stdout };
}

/** A folder with some of the files. */
function written(names: readonly string[]): string {
  const place = mkdtempSync(join(folder, 'run-'));
  for (const name of names) {
    const body = `${imports}\n${files[name]}\ntest.run();\n`;
    for (const [at, suffix] of [
      ['tests', 'ts'],
      ['dist/tests', 'js'],
    ] as const) {
      mkdirSync(join(place, at), { recursive: true });
      writeFileSync(join(place, at, `${name}.test.${suffix}`), body);
    }
  }
  return place;
}

test('tests that do nothing pass, and are counted by what they lack', () => {
  const { code, last, output } = run(['plain', 'ray', 'gpu']);
  assert.is(code, 0, output);
  assert.is(last[0], '5 tests did nothing for want of gpu (3), ray (2)');
  assert.match(last[1] as string, /^in \d+\.\d minutes$/);
  assert.is(last[2], '6 passed, 0 failed');
});

test('nothing is said where nothing is lacking', () => {
  const { code, output } = run(['plain']);
  assert.is(code, 0);
  assert.not.match(output, /did nothing/);
});

test('the files of a run share a folder for models, which is gone afterwards', () => {
  const { code, output } = run(['one', 'two']);
  assert.is(code, 0, output);
  const [one, two, ...more] = [...output.matchAll(/note: (.*)/g)].map(([, folder]) => folder as string);
  assert.equal([two, more], [one, []]);
  assert.match(one as string, /dare-cache-/);
  assert.not.ok(existsSync(one as string));
});

test('a run that is stopped ends its files, and leaves no folder', async () => {
  const place = written(['endless']);
  const changes = watch(place);
  const run = spawn(process.execPath, [join(packageRoot, 'dist/tests/run.js')], {
    cwd: place,
    env: { ...process.env, [sharedCache]: undefined },
  });
  const ended = once(run, 'exit');
  while (!existsSync(join(place, 'begun'))) await once(changes, 'change');
  changes.close();
  const { cache, pid } = JSON.parse(readFileSync(join(place, 'begun'), 'utf8')) as {
    cache: string;
    pid: number;
  };
  run.kill('SIGTERM');
  assert.equal(await ended, [1, null]);
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
  assert.not.ok(existsSync(cache));
});

for (const [require, closing] of [
  ['ray', '4 passed, 2 failed'],
  ['s3,gpu', '5 passed, 1 failed'],
  ['all', '3 passed, 3 failed'],
] as const) {
  test(`DARE_TEST_REQUIRE=${require} makes failures of them: ${closing}`, () => {
    const { code, last, output } = run(['plain', 'ray', 'gpu'], require);
    assert.equal([code, last[2]], [1, closing], output);
    assert.match(output, /is missing, and DARE_TEST_REQUIRE asks for it: /);
  });
}

test.run();
