/**
 * Runs every compiled test file, each in a process of its own, and closes with `N passed, N failed`. Before that it says
 * how many tests did nothing because the machine lacks something, and how long it took.
 *
 * uvu alone passes a file whose author forgot `.run()` and a run that matched nothing; here both fail,
 * as does a file that imports uvu but isn't named `*.test.ts`, because it would never be run.
 * usage: node dist/tests/run.js [part of a file name ...]
 * Environment: DARE_TEST_REQUIRE: what must not be lacking (lacking.ts); SEED: of tests that kill at random moments.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { brief } from './brief.js';
import { noteOfLacking } from './lacking.js';
import { cache, sharedCache } from './model-cache.js';

interface Outcome {
  file: string;
  passed: number;
  failed: number;
  /** Tests that did nothing, by what they lacked. */
  idle: ReadonlyMap<string, number>;
  output: string;
  seconds: number;
}

const wanted = process.argv.slice(2);
const sources = readdirSync('tests', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `tests/${file}`)
  .sort();
const unregistered = sources.filter(
  (file) => !file.endsWith('.test.ts') && /^import .* from 'uvu';/m.test(readFileSync(file, 'utf8')),
);
const files = sources
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));

const outcomes: Outcome[] = unregistered.map((file) =>
  failure(file, 'imports uvu but is not named *.test.ts'),
);
// those that start the command line take longest: at the end there are many short ones, for all processes
const long = /^tests\/(etl|pipeline)\//;
const queue = [...files.filter((file) => long.test(file)), ...files.filter((file) => !long.test(file))];
// one more than there are cores: files often wait, for a disk or for a process that ends
const sideBySide = Math.min(availableParallelism(), 4) + 1;
const running = new Set<ChildProcess>();
// so that the folder is removed, after those that use it have ended
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    queue.length = 0;
    for (const child of running) child.kill('SIGKILL');
    void Promise.all([...running].map((child) => once(child, 'close'))).then(() => process.exit(1));
  });
}
const environment = { ...process.env, [sharedCache]: cache };
const started = performance.now();
await Promise.all(Array.from({ length: sideBySide }, work));

const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
let failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
if (files.length === 0) {
  console.log('no test file was found');
  failed += 1;
}
for (const file of unregistered) console.log(`FAIL ${file}: imports uvu but is not named *.test.ts`);
sayIdle();
console.log(`in ${((performance.now() - started) / 60_000).toFixed(1)} minutes`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function work(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const outcome = await runFile(file);
    outcomes.push(outcome);
    const verdict = outcome.failed === 0 ? 'ok  ' : 'FAIL';
    console.log(`${verdict} ${outcome.file} (${outcome.passed} tests, ${outcome.seconds.toFixed(1)} s)`);
    // what a test could not do here, and did in another way
    if (outcome.failed === 0)
      for (const note of outcome.output.match(/^.*\bnote: .*$/gm) ?? []) console.log(note);
    else console.log(outcome.output);
  }
}

/** `5 tests did nothing for want of airflow (3), gpu (2)`: they count as passed. */
function sayIdle(): void {
  const all = new Map<string, number>();
  for (const [need, tests] of outcomes.flatMap(({ idle }) => [...idle]))
    all.set(need, (all.get(need) ?? 0) + tests);
  const sum = [...all.values()].reduce((total, tests) => total + tests, 0);
  const needs = [...all].sort().map(([need, tests]) => `${need} (${tests})`);
  if (sum > 0) console.log(`${sum} test${sum === 1 ? '' : 's'} did nothing for want of ${needs.join(', ')}`);
}

/** What a file's tests lacked: one that says so, and those that are skipped beside it. */
function idleIn(output: string): Map<string, number> {
  const idle = new Map<string, number>();
  for (const [, need = ''] of output.matchAll(noteOfLacking)) idle.set(need, (idle.get(need) ?? 0) + 1);
  const skipped = count(output, /^\s*Skipped:\s+(\d+)/gm);
  const [need = 'a reason'] = idle.keys();
  if (skipped > 0) idle.set(need, (idle.get(need) ?? 0) + skipped);
  return idle;
}

async function runFile(file: string): Promise<Outcome> {
  const compiled = `dist/${file.replace(/\.ts$/, '.js')}`;
  if (!existsSync(compiled)) return failure(file, `${compiled} is missing: run npm run build`);
  const begun = performance.now();
  const { code, output } = await capture(process.execPath, [...brief, '--enable-source-maps', compiled]);
  const seconds = (performance.now() - begun) / 1000;
  const total = count(output, /^\s*Total:\s+(\d+)/gm);
  const passed = count(output, /^\s*Passed:\s+(\d+)/gm);
  if (total === 0) return failure(file, `ran no test (is .run() missing?)\n${output}`);
  // A crash after the summary, or an exit code without a failed test, still counts as one failure.
  const failed = Math.max(total - passed, code === 0 ? 0 : 1);
  return { file, passed, failed, idle: idleIn(output), output, seconds };
}

function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
}

function failure(file: string, output: string): Outcome {
  return { file, passed: 0, failed: 1, idle: new Map(), output, seconds: 0 };
}

function capture(command: string, args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    child.on('close', () => running.delete(child));
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('close', (code) => resolve({ code, output: Buffer.concat(chunks).toString('utf8') }));
  });
}
