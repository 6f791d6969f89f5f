import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { causalBias, hidden, treeBias } from '../../src/engine/bias.js';

test('a row sees cached tokens, ancestors and itself, as far back as its window, and nothing else', () => {
  const trees = fc.record({
    parents: fc.array(fc.nat(), { maxLength: 8 }),
    padding: fc.nat({ max: 3 }),
    length: fc.nat({ max: 9 }),
    behind: fc.nat({ max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    window: fc.option(fc.integer({ min: 1, max: 14 })),
    offset: fc.nat({ max: 2 }),
  });
  fc.assert(
    fc.property(trees, ({ parents: drawn, padding, length, behind, group, window, offset }) => {
      const parents = Int32Array.from([-1, ...drawn.map((parent, i) => parent % (i + 1))]);
      const depths = new Int32Array(parents.length);
      for (let row = 1; row < parents.length; row++) {
        depths[row] = (depths[parents[row] as number] as number) + 1;
      }
      const [rows, past] = [parents.length + padding, length + behind];
      const width = past + rows;
      const bias = new Float32Array(offset + rows * group * width).fill(7);
      treeBias(bias, offset, { parents, depths, rows, group, length, past }, window ?? undefined);
      const within = window ?? 1000;
      for (let row = 0; row < parents.length * group; row++) {
        const node = Math.floor(row / group);
        const position = length + (depths[node] as number);
        const ancestors: number[] = [];
        for (let at = node; at >= 0; at = parents[at] as number) ancestors.push(at);
        for (let column = 0; column < width; column++) {
          const cached = column < length && position - column < within;
          const other = column - past;
          const own = ancestors.includes(other) && position - length - (depths[other] as number) < within;
          const expected = cached || own ? 0 : hidden;
          assert.is(bias[offset + row * width + column], expected, `row ${row}, column ${column}`);
        }
      }
      // padding rows are of no meaning, but are never left as they were
      assert.ok(bias.subarray(offset).every((value) => value === 0 || value === hidden));
    }),
  );
});

test('rows that follow each other see those before them', () => {
  const shown = (bias: Float32Array, width: number) =>
    Array.from({ length: bias.length / width }, (_, row) =>
      Array.from(bias.subarray(row * width, (row + 1) * width), (value) => (value === 0 ? 'x' : '.')).join(
        '',
      ),
    );
  assert.equal(shown(causalBias(3, 2, 1), 5), ['xxx..', 'xxxx.', 'xxxxx']);
  assert.equal(shown(causalBias(2, 1, 2), 3), ['xx.', 'xx.', 'xxx', 'xxx']);
  assert.equal(shown(causalBias(3, 2, 1, 2), 5), ['.xx..', '..xx.', '...xx']);
});

test.run();
