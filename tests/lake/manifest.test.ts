import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readManifest, writeManifest } from '../../src/lake/manifest.js';
import { errorOf, inFolder } from './temporary.js';

test('a manifest is read as it was written, and replaced as a whole', () =>
  inFolder(async (root) => {
    const dir = join(root, 'texts', 'partition=p');
    assert.is(await readManifest(dir), undefined);
    await writeManifest(dir, { stage: 'decode', rows: 1, longer: 'x'.repeat(1000) });
    const manifest = { stage: 'decode', rows: 2, files: ['é 🎬'], inputs: { a: null } };
    await writeManifest(dir, manifest);
    assert.equal(await readManifest(dir), manifest);
    assert.equal(readdirSync(dir), ['_manifest.json']);
    const bytes = readFileSync(join(dir, '_manifest.json'));
    await writeManifest(dir, manifest);
    assert.ok(bytes.equals(readFileSync(join(dir, '_manifest.json'))));
  }));

for (const text of ['', '{"stage": "dec', '[1]', 'null', '"x"']) {
  test(`a manifest that holds ${JSON.stringify(text)} is refused`, () =>
    inFolder(async (root) => {
      writeFileSync(join(root, '_manifest.json'), text);
      const error = await errorOf(() => readManifest(root));
      assert.is(error.exitCode, 2);
      assert.ok(error.message.includes(join(root, '_manifest.json')), error.message);
      assert.ok(error.hint);
    }));
}

test.run();
