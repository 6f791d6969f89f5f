import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inputError } from '../../src/errors.js';
import { Counters } from '../../src/report/counters.js';
import { createLog } from '../../src/report/log.js';
import { createProgress, duration, type ProgressFields } from '../../src/report/progress.js';
import { Screen } from '../../src/report/screen.js';

/** An output that keeps what was written; its clock stands until the test moves it. */
function recorder(isTTY: boolean, columns = 100) {
  const written: string[] = [];
  const clock = { milliseconds: 0 };
  const screen = new Screen({ isTTY, columns, write: (text: string) => written.push(text) });
  const fields: ProgressFields[] = [];
  const progress = createProgress({
    screen,
    line: (text, numbers) => {
      screen.line(text);
      fields.push(numbers);
    },
    counters: new Counters(() => clock.milliseconds),
  });
  return { written, screen, progress, clock, fields };
}

test('without a terminal: plain lines at start and end and every ten seconds at most', () => {
  const { written, progress, clock, fields } = recorder(false);
  progress.start('decode', 1000);
  for (let step = 0; step < 250; step++) {
    clock.milliseconds += 100;
    progress.advance(4);
  }
  progress.done();
  assert.equal(written, [
    'decode: 0 of 1,000\n',
    'decode: 400 of 1,000 (40%), 40.0/s, 15.0 s left\n',
    'decode: 800 of 1,000 (80%), 40.0/s, 5.0 s left\n',
    'decode: 1,000 of 1,000, 40.0/s, done in 25.0 s\n',
  ]);
  assert.equal(fields.at(-1), { label: 'decode', done: 1000, total: 1000, rate: 40, remaining: 0 });
});

test('on a terminal: one line that overwrites itself, and the log above it', () => {
  const { written, progress, clock, screen } = recorder(true);
  progress.start('decode', 100);
  progress.advance(10);
  assert.is(written.length, 1);
  clock.milliseconds = 1000;
  progress.note('round 1');
  progress.advance(40);
  clock.milliseconds = 2000;
  progress.advance(0);
  assert.is(
    written.at(-1),
    '\r\u001b[2Kdecode: [############............] 50 of 100 (50%), 25.0/s, 2.0 s left, round 1',
  );
  createLog(screen, { json: false, level: 'info' }).info({}, 'hello');
  assert.equal(written.slice(-3, -1), ['\r\u001b[2K', 'hello\n']);
  assert.match(written.at(-1) ?? '', /decode: \[#/);
  progress.done();
  assert.is(written.at(-1), 'decode: 50 of 100, 25.0/s, done in 2.0 s\n');
});

test('the line never wraps and control characters never reach the terminal', () => {
  const { written, screen } = recorder(true, 20);
  screen.status(`a\u001b[31m\n${'x'.repeat(50)}`);
  assert.is(written[0], `\r\u001b[2Ka [31m ${'x'.repeat(11)}…`);
});

test('an unknown total has no percentage, and what was not started shows nothing', () => {
  const { written, progress, clock } = recorder(false);
  progress.advance(1);
  progress.done();
  assert.equal(written, []);
  progress.start('reading');
  clock.milliseconds = 10_000;
  progress.advance(5000);
  progress.start('writing', 0);
  progress.done();
  assert.equal(written, [
    'reading: started\n',
    'reading: 5,000, 500/s\n',
    'reading: 5,000, 500/s, done in 10.0 s\n',
    'writing: 0 of 0\n',
    'writing: done in 0.0 s\n',
  ]);
});

test('a total that is known later: the rate counts from then on, the seconds from the start', () => {
  const { written, progress, clock } = recorder(false);
  progress.start('pools');
  clock.milliseconds = 60_000;
  progress.expect(100);
  clock.milliseconds += 10_000;
  progress.advance(40);
  progress.done();
  assert.equal(written, [
    'pools: started\n',
    'pools: 0 of 100\n',
    'pools: 40 of 100 (40%), 4.0/s, 15.0 s left\n',
    'pools: 40 of 100, 4.0/s, done in 1:10 min\n',
  ]);
});

test('durations', () => {
  const table: [number, string][] = [
    [0, '0.0 s'],
    [59.94, '59.9 s'],
    [59.96, '1:00 min'],
    [65, '1:05 min'],
    [3599.9, '1:00:00 h'],
    [7384, '2:03:04 h'],
  ];
  for (const [seconds, text] of table) assert.is(duration(seconds), text);
});

test('log lines for people: marks, plain fields, hints; levels filter', () => {
  const { written, screen } = recorder(false);
  const log = createLog(screen, { json: false, level: 'info' });
  log.debug({}, 'hidden');
  log.info({ rows: 3, list: [1], nothing: null, name: 'x' }, 'read');
  log.warn({}, 'careful');
  log.error({ err: inputError('no file', 'look for it') }, 'stage: no file');
  log.error({ err: new Error('deep') }, 'broken');
  assert.equal(written, [
    'read (rows 3, name x)\n',
    'warning: careful\n',
    'error: stage: no file\nhint: look for it\n',
    'error: broken\ndeep\n',
  ]);
});

test('log lines for machines are JSON with level, time and fields', () => {
  const { written, screen } = recorder(false);
  createLog(screen, { json: true, level: 'info' }).warn({ rows: 3 }, 'careful\nnow');
  const { time, ...rest } = JSON.parse(written.join('')) as Record<string, unknown>;
  assert.equal(rest, { level: 'warn', rows: 3, msg: 'careful\nnow' });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
});

test.run();
