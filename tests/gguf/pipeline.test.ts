/** The command line on a GGUF file: what it writes is what it writes with the same model as a Hugging Face folder. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { textFolderOf } from '../../src/gguf/text-folder.js';
import { dare, resultOf } from '../cli/spawn.js';
import { type FamilyCase, references, writeModel } from '../model/fixture.js';
import { cache } from '../pipeline/fixture.js';
import { filesBelow, inFolder, readTable, writeTable } from '../prompts/fixture.js';
import { ggufOf, tokenizerReferences, type Value, writeGguf } from './fixture.js';

const model = references.cases.find(({ name }) => name === 'llama') as FamilyCase;

/** The 256 bytes as tokens, of which two that no text has are the control tokens of a chat. */
function byteTokenizer(): Record<string, Value> {
  const tokens = tokenizerReferences.byteLevel.tokens.slice(0, 256);
  assert.ok(tokens.every((token) => token.length === 1));
  const [start, end] = ['\u00fe', '\u00ff'].map((byte) => tokens.indexOf(byte)) as [number, number];
  tokens[start] = '<|im_start|>';
  tokens[end] = '<|im_end|>';
  return {
    'tokenizer.ggml.model': { text: 'gpt2' },
    'tokenizer.ggml.pre': { text: 'smollm' },
    'tokenizer.ggml.tokens': { texts: tokens },
    'tokenizer.ggml.token_type': { i32s: tokens.map((_, id) => (id === start || id === end ? 3 : 1)) },
    'tokenizer.ggml.merges': { texts: [] },
    'tokenizer.ggml.eos_token_id': { u32: end },
    'tokenizer.chat_template': {
      text: "{% for m in messages %}<|im_start|>{{ m.role + '\n' + m.content }}<|im_end|>{% endfor %}",
    },
  };
}

test('dare decode and dare pools take a GGUF file', async () => {
  await inFolder(async (folder) => {
    const content = ggufOf(model);
    const file = writeGguf(join(folder, 'tiny.gguf'), {
      ...content,
      metadata: { ...content.metadata, ...byteTokenizer() },
    });
    const asFolder = join(folder, 'tiny');
    writeModel(asFolder, model);
    const text = textFolderOf(file, cache);
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
      copyFileSync(join(text, name), join(asFolder, name));
    }
    const prompts = join(folder, 'prompts.parquet');
    await writeTable(
      prompts,
      { prompt_id: 'VARCHAR', prompt: 'VARCHAR' },
      ['a', 'b', 'c'].map((prompt_id) => ({ prompt_id, prompt: `Name it ${prompt_id}` })),
    );

    const decode = async (path: string, name: string) => {
      const out = join(folder, `${name}.parquet`);
      const options = [
        '--mode',
        'greedy',
        '--set',
        `model.cache=${cache}`,
        '--set',
        'decode.maxNewTokens=12',
      ];
      const run = await dare(['decode', '--model', path, '--prompts', prompts, '--out', out, ...options]);
      assert.is(run.code, 0, run.stderr);
      return readTable(out);
    };
    const rows = await decode(file, 'gguf');
    const columns = ({ prompt_id, text, output_token_ids, prompt_tokens }: Record<string, unknown>) =>
      [prompt_id, text, output_token_ids, prompt_tokens].map(String);
    assert.equal(rows.map(columns), (await decode(asFolder, 'folder')).map(columns));
    assert.is(rows.length, 3);

    // without a configuration there is no model.cache
    process.env.XDG_CACHE_HOME = join(folder, 'caches');
    const pools = join(folder, 'pools');
    const texts = join(folder, 'gguf.parquet');
    const run = await dare(['pools', '--texts', texts, '--tokenizer', file, '--out', pools]);
    assert.is(run.code, 0, run.stderr);
    assert.ok(filesBelow(pools).length > 0);
    assert.is(resultOf(run).stage, 'pools');
    delete process.env.XDG_CACHE_HOME;
  });
});

test('dare model inspect looks at a GGUF file; a broken one is refused in one sentence', async () => {
  await inFolder(async (folder) => {
    const content = ggufOf(model);
    const file = writeGguf(join(folder, 'tiny.gguf'), {
      ...content,
      metadata: { ...content.metadata, ...byteTokenizer() },
    });
    const inspected = await dare(['model', 'inspect', file, '--cache', cache]);
    const { supported, chatTemplate, tokenizer } = resultOf(inspected);
    assert.equal([supported, chatTemplate, tokenizer], [true, true, { type: 'BPE', vocabulary: 256 }]);

    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length - 4096));
    const broken = resultOf(await dare(['model', 'inspect', file, '--cache', cache]));
    assert.is(broken.supported, false);
    assert.is((broken.reasons as string[]).length, 1);
    assert.match((broken.reasons as string[])[0] ?? '', /is not a whole GGUF file: tensor ".*" ends at byte/);
    const out = join(folder, 'out.parquet');
    const decode = await dare([
      'decode',
      '--model',
      file,
      '--prompts',
      join(folder, 'prompts.parquet'),
      '--out',
      out,
    ]);
    assert.is(decode.code, 2);
    assert.match(String(resultOf(decode).error), /is not a whole GGUF file/);
  });
});

test.run();
