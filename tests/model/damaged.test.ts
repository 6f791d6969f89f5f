/** Model files with some bytes changed, or cut off: read, or refused as wrong input, and nothing else. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import { readModelConfig } from '../../src/model/config.js';
import { weightSpecs } from '../../src/model/graph.js';
import { Safetensors } from '../../src/model/safetensors.js';
import { openModel } from '../../src/model/source.js';
import { readStock } from '../../src/model/stock.js';
import { isRead, odd, withDamage } from '../damage.js';
import { type FamilyCase, references, safetensors, writeModel } from './fixture.js';
import { writeStockModel } from './stock-decoder.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-damaged-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const family = (name: string) => references.cases.find((one) => one.name === name) as FamilyCase;

test('safetensors: every tensor of a damaged file', async () => {
  const tensors = ['a', 'b', 'c'].map((name, i) => ({
    name,
    shape: [2, i + 1],
    bytes: new Uint8Array(8 * (i + 1)),
  }));
  const file = join(folder, 'model.safetensors');
  await withDamage(safetensors(tensors, 'F32'), 2000, (bytes) => {
    writeFileSync(file, bytes);
    const opened = Safetensors.open(file);
    try {
      for (const { name, shape } of opened.tensors()) opened.readRows(name, shape, 0, shape[0] ?? 1);
    } finally {
      opened.close();
    }
  });
});

test('a stock ONNX decoder, whose header alone is read', async () => {
  const path = join(folder, 'stock');
  writeStockModel(path, family('llama'));
  const file = join(path, 'onnx/model.onnx');
  await withDamage(readFileSync(file), 400, (bytes) => {
    writeFileSync(file, bytes);
    readStock({ file, folder: path });
  });
});

for (const name of ['llama', 'gemma3']) {
  test(`config.json of ${name} with its weights: bytes that are damaged`, async () => {
    const path = join(folder, name);
    writeModel(path, family(name));
    const file = join(path, 'config.json');
    await withDamage(readFileSync(file), 500, (bytes) => {
      writeFileSync(file, bytes);
      const source = openModel(path, folder);
      try {
        for (const { sources } of weightSpecs(source.shape))
          for (const { name, shape } of sources) source.readRows(name, shape, 0, 1);
      } finally {
        source.close();
      }
    });
  });

  test(`config.json of ${name}: any value for any key`, async () => {
    const { config } = family(name);
    const path = join(folder, name);
    writeModel(path, family(name));
    const change = fc.tuple(fc.constantFrom(...Object.keys(config)), odd);
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const text = JSON.stringify({ ...config, ...Object.fromEntries(changes) });
        writeFileSync(join(path, 'config.json'), text);
        await isRead(() => weightSpecs(readModelConfig(path)));
        await isRead(() => openModel(path, folder).close());
      }),
      { numRuns: 300 },
    );
  });
}

test.run();
