import { EventEmitter } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Interrupted, type Interrupting, SIGNAL_CODES, watchSignals } from '../../src/cli/interrupt.js';

class Source extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
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
    assert.equal([told, source.exits], [[`stopped by ${first}`], []]);
    source.emit(second);
    assert.equal([told.length, source.exits], [1, [SIGNAL_CODES[second]]]);
  });
}

test('the exit codes are those of shells', () => {
  assert.equal(SIGNAL_CODES, { SIGINT: 130, SIGTERM: 143 });
});

test.run();
