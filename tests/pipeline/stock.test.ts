/** The command line on a stock ONNX decoder: what it writes is what it writes with the same weights as safetensors. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openModel } from '../../src/model/source.js';
import { dare, resultOf } from '../cli/spawn.js';
import { references } from '../decode/fixture.js';
import { type StockOptions, writeStockModel } from '../model/stock-decoder.js';
import { inFolder, readTable, writeTable } from '../prompts/fixture.js';
import { cache, sampleModel } from './fixture.js';

/** The sample model as a stock decoder. */
function writeSample(folder: string, options?: StockOptions): string {
  const path = join(folder, 'stock');
  const source = openModel(sampleModel, cache);
  const config = JSON.parse(readFileSync(join(sampleModel, 'config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  const tensors = Object.fromEntries(source.tensors.map(({ name, shape }) => [name, [...shape]]));
  writeStockModel(path, { config, tensors, read: (name, shape) => source.read(name, shape) }, options);
  source.close();
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
    copyFileSync(join(sampleModel, file), join(path, file));
  return path;
}

test('dare decode writes the texts of the sample model, without vectors; inspect knows it, import has nothing to convert', async () => {
  await inFolder(async (folder) => {
    const stock = writeSample(folder);
    const prompts = join(folder, 'prompts.parquet');
    const few = references.filter(({ min_margin: margin }) => margin > 0.02).slice(0, 6);
    assert.is(few.length, 6);
    await writeTable(
      prompts,
      { prompt_id: 'VARCHAR', prompt: 'VARCHAR' },
      few.map(({ id, prompt }) => ({ prompt_id: id, prompt })),
    );
    const decode = async (model: string, name: string) => {
      const out = join(folder, `${name}.parquet`);
      const files = ['--model', model, '--prompts', prompts, '--out', out];
      const settings = [
        '--mode',
        'greedy',
        '--set',
        `model.cache=${cache}`,
        '--set',
        'decode.maxNewTokens=24',
      ];
      const run = await dare(['decode', ...files, ...settings]);
      assert.is(run.code, 0, run.stderr);
      return { rows: await readTable(out), log: run.stderr };
    };
    const found = await decode(stock, 'stock');
    const expected = await decode(sampleModel, 'own');
    const columns = ({ prompt_id, text, output_token_ids, finish_reason }: Record<string, unknown>) =>
      [prompt_id, text, output_token_ids, finish_reason].map(String);
    assert.is(found.rows.length, 6);
    assert.equal(found.rows.map(columns), expected.rows.map(columns));
    assert.ok(found.rows.every(({ vector, text }) => vector === null && text !== null));
    assert.match(found.log, /cpu \(a stock ONNX decoder\)/);

    // the file's name does for the folder's
    const named = await decode(join(stock, 'onnx/model.onnx'), 'named');
    assert.equal(named.rows.map(columns), found.rows.map(columns));

    const inspected = await dare(['model', 'inspect', stock, '--cache', cache]);
    assert.is(inspected.code, 0, inspected.stderr);
    assert.is(resultOf(inspected).supported, true, inspected.stderr);
    assert.match(inspected.stderr, /^graph +stock ONNX decoder .*no vectors/m);
    const imported = await dare(['model', 'import', stock, '--cache', cache]);
    assert.is(imported.code, 2);
    assert.match(String(resultOf(imported).error), /is a stock ONNX decoder, which is decoded with as it is/);
  });
});

test.run();
