import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Interrupted,
  type Interrupting,
  SIGNAL_CODES,
  stopMessage,
  watchSignals,
} from '../../src/cli/interrupt.js';
import { moduleUrl } from '../lake/temporary.js';

class Source extends EventEmitter {
  readonly pid = 7;
  /** @param connected to the process that started it */
  constructor(readonly connected?: boolean) {
    super();
  }
  readonly kills: [pid: number, signal: Interrupting, listeners: number][] = [];
  kill(pid: number, signal: Interrupting): void {
    this.kills.push([pid, signal, this.listenerCount(signal)]);
  }
}

for (const [first, second] of [
  ['SIGINT', 'SIGINT'],
  ['SIGTERM', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
] as [Interrupting, Interrupting][]) {
  test(`${first} aborts with its exit code, ${second} after it ends the process`, () => {
    const source = new Source();
    const told: string[] = [];
    const signal = watchSignals(source, (reason) => told.push(reason.message));
    assert.not.ok(signal.aborted);
    source.emit(first);
    assert.instance(signal.reason, Interrupted);
    assert.is((signal.reason as Interrupted).exitCode, SIGNAL_CODES[first]);
    assert.is((signal.reason as Interrupted).name, 'AbortError');
    assert.equal([told, source.kills], [[`stopped by ${first}`], []]);
    source.emit(second);
    assert.equal([told.length, source.kills], [1, [[7, second, 0]]]);
  });
}

for (const [events, kills] of [
  [['message'], []],
  [['disconnect'], []],
  // a terminal's signal reaches both processes, and the other's message may come before it or after it
  [['message', 'SIGINT'], []],
  [['SIGINT', 'message'], []],
  [['message', 'SIGINT', 'SIGINT'], ['SIGINT']],
  [['SIGTERM', 'message', 'SIGTERM'], ['SIGTERM']],
  // the other was ended at once
  [['message', 'disconnect'], ['SIGTERM']],
  [['SIGINT', 'disconnect'], ['SIGTERM']],
] as [string[], Interrupting[]][]) {
  test(`a process that another has started stops once: ${events.join(', ')}`, () => {
    const source = new Source(true);
    const told: string[] = [];
    const signal = watchSignals(source, (reason) => told.push(reason.message));
    source.emit('message', 'something else');
    assert.not.ok(signal.aborted);
    for (const event of events) source.emit(event, stopMessage);
    const first = events[0] === 'SIGINT' ? 'SIGINT' : 'SIGTERM';
    assert.equal([told, (signal.reason as Interrupted).signalName], [[`stopped by ${first}`], first]);
    assert.equal(
      source.kills.map(([pid, name]) => [pid, name]),
      kills.map((name) => [source.pid, name]),
    );
  });
}

test('a process that nobody has started with a channel has none to listen to; one whose starter is gone stops', () => {
  const alone = new Source();
  assert.not.ok(watchSignals(alone, () => undefined).aborted);
  assert.equal(alone.eventNames(), ['SIGINT', 'SIGTERM']);
  assert.ok(watchSignals(new Source(false), () => undefined).aborted);
});

test('a process that does not stop is ended by the second signal, as a shell sees it: 130', async () => {
  const source = `
    import { watchSignals } from ${JSON.stringify(moduleUrl('src/cli/interrupt.js'))};
    watchSignals(process, () => console.log('stopping'));
    setInterval(() => {}, 1000);
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  // a signal for each line
  child.stdout.on('data', () => child.kill('SIGINT'));
  const [code, signal] = await once(child, 'close');
  assert.equal([code, signal], [null, 'SIGINT']);
});

test('the exit codes are those of shells', () => {
  assert.equal(SIGNAL_CODES, { SIGINT: 130, SIGTERM: 143 });
});

test.run();
