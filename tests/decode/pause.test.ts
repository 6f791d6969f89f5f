import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DraftPause } from '../../src/decode/pause.js';

/** D: a draft, of which no row is kept up to `until` drafts, then one; -: a step without. */
function steps(count: number, until: number): string {
  const pause = new DraftPause();
  let drafts = 0;
  return Array.from({ length: count }, () => {
    if (pause.skips()) return '-';
    drafts++;
    pause.after(drafts < until ? 0 : 1);
    return 'D';
  }).join('');
}

test('a draft in eight steps is left where none brings anything', () => {
  assert.is(steps(40, 99), 'DDDDDDDD-D---D-------D-------D-------D--');
});

test('every step is drafted for again after one that brought something', () => {
  assert.is(steps(24, 10), 'DDDDDDDD-D---DDDDDDDDDDD');
});

test.run();
