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
    pause.after(drafts < until ? { rows: 0, worth: 0 } : { rows: 1, worth: 1 });
    return 'D';
  }).join('');
}

test('a draft in eight steps is left where none brings anything', () => {
  assert.is(steps(40, 99), 'DDDDDDDD-D---D-------D-------D-------D--');
});

test('every step is drafted for again after one that brought something', () => {
  assert.is(steps(24, 10), 'DDDDDDDD-D---DDDDDDDDDDD');
});

test('drafts whose rows bring less than they cost use up what others brought, at their own pace', () => {
  const pause = new DraftPause();
  const after = (worth: number) => {
    pause.after({ rows: 2, worth });
    return pause.skips();
  };
  assert.equal([-0.5, -0.25, -0.125].map(after), [false, false, false]);
  assert.is(after(-0.25), true, 'a token is used up');
  assert.is(after(0.5), false, 'and half of one is there again');
  assert.equal([5, -0.5].map(after), [false, false]);
  assert.is(after(-0.5), true, 'no more than one is saved');
});

test.run();
