/** A model that is converted by several at once, into one cache. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type PreparedModel, prepareModel } from '../../src/model/prepare.js';
import { writeTinyModel } from '../decode/tiny-model.js';
import type { Together } from './prepare-together.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-prepare-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

// threads have one process id, as processes in containers that share a cache may
test('threads that convert a model into the same cache all have it, whole', async () => {
  const path = writeTinyModel(join(folder, 'model'));
  const alone = prepareModel(path, join(folder, 'alone'));
  const expected = contentOf(dirname(alone.graphFile));
  const caches = Array.from({ length: 50 }, (_, turn) => join(folder, `shared-${turn}`));
  const threads = 3;
  const gate = new Int32Array(new SharedArrayBuffer(caches.length * Int32Array.BYTES_PER_ELEMENT));
  const workerData: Together = { path, caches, threads, gate };
  const converted = await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL('./prepare-together.js', import.meta.url), { workerData });
      // rejects where the thread throws
      const [prepared] = (await once(worker, 'message')) as [PreparedModel[]];
      return prepared;
    }),
  );
  for (const prepared of converted) {
    for (const [turn, cache] of caches.entries()) {
      const { graphFile, ...rest } = prepared[turn] as PreparedModel;
      assert.equal({ ...rest, graphFile: alone.graphFile }, alone);
      assert.equal(contentOf(dirname(graphFile)), expected);
      assert.is(readdirSync(cache).length, 1, 'nothing is left beside it');
    }
  }
});

/** Names and bytes of the files in a folder. */
function contentOf(place: string): [name: string, bytes: string][] {
  return readdirSync(place)
    .sort()
    .map((name) => [name, readFileSync(join(place, name), 'base64')]);
}

test.run();
