/** The order of prompts against comparing every one with every other. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { commonPrefix } from '../../../src/engine/prefix.js';
import { PromptOrder } from '../../../src/engine/webgpu/prompt-order.js';

/** Few ids, so that prompts begin alike, are beginnings of each other, or the same. */
const ids = fc
  .array(fc.oneof(fc.nat(2), fc.constantFrom(-1, 100_000)), { maxLength: 8 })
  .map((list) => Int32Array.from(list));
const change = fc.record({ slot: fc.nat(6), ids, clear: fc.integer({ min: 0, max: 30 }) });

test('the prompt that shares most is found, whatever was set and replaced', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.array(ids, { minLength: 1 }), (changes, asked) => {
      const order = new PromptOrder();
      const known = new Map<number, Int32Array>();
      for (const { slot, ids, clear } of changes) {
        if (clear === 0) {
          order.clear();
          known.clear();
        }
        order.set(slot, ids);
        known.set(slot, ids);
      }
      for (let slot = 0; slot <= 7; slot++) assert.equal(order.get(slot), known.get(slot));
      for (const other of asked) {
        const { slot, columns } = order.mostShared(other);
        const most = Math.max(0, ...[...known.values()].map((prompt) => commonPrefix(prompt, other)));
        assert.is(columns, most);
        if (most === 0) assert.is(slot, -1);
        else assert.is(commonPrefix(known.get(slot) as Int32Array, other), most, 'the slot shares as much');
      }
    }),
    { numRuns: 1000 },
  );
});

test.run();
