/** The plain decoder that GPUs are checked against computes what Hugging Face transformers does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { referenceLogProbabilities } from '../../src/engine/reference.js';
import { openModel } from '../../src/model/source.js';
import { references, writeModel } from '../model/fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-reference-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const before = references.prompt.length - 1;
const { tree } = references;
/** The prompt as a chain, and the tree below its last token. */
const rows = {
  tokens: Int32Array.from([...references.prompt.slice(0, before), ...tree.tokens]),
  parents: Int32Array.from([
    ...Array.from({ length: before }, (_, i) => i - 1),
    ...tree.parents.map((parent) => (parent < 0 ? before - 1 : parent + before)),
  ]),
};

for (const model of references.cases) {
  if (model.name.startsWith('gemma')) continue;
  test(`${model.name}: log-probabilities of a tree equal those of transformers`, () => {
    const path = join(folder, model.name);
    writeModel(path, model, 'BF16', 2);
    const source = openModel(path, folder);
    try {
      const found = referenceLogProbabilities(source, rows).slice(before);
      model.top5.forEach((top, row) => {
        const logs = found[row] as Float64Array;
        const sum = logs.reduce((total, log) => total + Math.exp(log), 0);
        assert.ok(Math.abs(sum - 1) < 1e-9, `row ${row}: probabilities sum to ${sum}`);
        const order = [...logs.keys()].sort((a, b) => (logs[b] as number) - (logs[a] as number));
        top.forEach(([token, expected], rank) => {
          assert.is(order[rank], token, `row ${row}, rank ${rank}`);
          const difference = Math.abs((logs[token] as number) - expected);
          assert.ok(difference < 5e-5, `row ${row}, rank ${rank}: ${difference}`);
        });
      });
    } finally {
      source.close();
    }
  });
}

test.run();
