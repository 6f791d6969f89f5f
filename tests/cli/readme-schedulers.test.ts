/** The README's lines for cron and make, with a stub in place of dare that ends with given exit codes. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../../src/paths.js';
import { lacking } from '../lacking.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-readme-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const section = readFileSync(join(packageRoot, 'README.md'), 'utf8').split('**cron and make**')[1] ?? '';

/** The section's first block of a language. */
function block(language: string): string {
  const found = new RegExp(`\\n\`\`\`${language}\\n(.*?)\\n\`\`\`\\n`, 's').exec(section)?.[1];
  assert.ok(found, `README has no ${language} block behind cron and make`);
  return found;
}

let cases = 0;
/**
 * Runs a command with a dare that notes each call and ends with the code of the first line of `codes` whose pattern its
 * arguments match, each line once.
 */
function withStub(
  command: readonly [string, ...string[]],
  codes: readonly [pattern: string, code: number][],
): { code: number | null; calls: string[]; output: string } {
  const place = join(folder, String(cases++));
  mkdirSync(join(place, 'node_modules/.bin'), { recursive: true });
  const calls = join(place, 'calls');
  const lines = codes.map(
    ([pattern, code], i) =>
      `case "$*" in ${pattern}) mkdir ${place}/used-${i} 2>/dev/null && exit ${code};; esac`,
  );
  const stub = join(place, 'node_modules/.bin/dare');
  writeFileSync(stub, ['#!/bin/sh', `echo "$*" >>${calls}`, ...lines, 'exit 0', ''].join('\n'));
  chmodSync(stub, 0o755);
  const [program, ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: place,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  const called = existsSync(calls) ? readFileSync(calls, 'utf8').trimEnd().split('\n') : [];
  return { code: status, calls: called, output: stdout + stderr };
}

for (const [codes, expected] of [
  [[0], 0],
  [[2], 2],
  [[1, 0], 0],
  [[1, 2], 2],
  [[143, 1, 0], 0],
  [[1, 1, 1], 1],
  [[1, 1, 130], 130],
] as const) {
  test(`cron: dare ends with ${codes.join(', ')}, the script with ${expected}`, () => {
    const { code, calls, output } = withStub(
      ['sh', '-c', block('sh')],
      codes.map((one) => ['*', one]),
    );
    assert.is(code, expected, output);
    assert.is(calls.length, codes.length);
    for (const call of calls)
      assert.match(call, /^run --config dare\.yaml --partition \d{4}-\d\d-\d\d --quiet$/);
  });
}

/** Runs `make -j 2 publish`; undefined where there is no make. */
function make(codes: readonly [string, number][]): ReturnType<typeof withStub> | undefined {
  if (spawnSync('make', ['--version']).error !== undefined) {
    lacking('make', 'apt-get install make');
    return undefined;
  }
  const file = join(folder, 'Makefile');
  writeFileSync(file, `${block('make')}\n`);
  return withStub(['make', '-f', file, '-j', '2', 'publish', 'P=2026-10-06'], codes);
}

const stage = (name: string) => `${name} --config dare.yaml --partition 2026-10-06`;
const shards = [1, 2, 3, 4].map((k) => `${stage('decode')} --shard ${k}/4`);

test('make: every stage once, shards between pools and publish', () => {
  const made = make([]);
  if (made === undefined) return;
  const { code, calls, output } = made;
  assert.is(code, 0, output);
  assert.equal(calls.slice(0, 3), ['segment', 'prompts', 'pools'].map(stage));
  assert.equal(calls.slice(3, 7).sort(), shards);
  assert.equal(calls.slice(7), [stage('publish')]);
});

for (const code of [1, 2]) {
  test(`make: a shard that ends with ${code} keeps publish from running, and make fails`, () => {
    const made = make([['*--shard\\ 2/4*', code]]);
    if (made === undefined) return;
    assert.is.not(made.code, 0);
    assert.ok(made.calls.includes(shards[1] as string));
    assert.not.ok(made.calls.includes(stage('publish')), made.output);
  });
}

test.run();
