/** What is said where prompts and texts come to the end of what a model can see. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { inFolder, readTable } from '../prompts/fixture.js';
import { cache, copyModel, editJson, endlessModel, somePrompts, writePrompts } from './fixture.js';

const long = { prompt_id: 'long', prompt: 'love and war '.repeat(40) };
const limits = [
  [
    'the context',
    { max_position_embeddings: 64 },
    "the model's context of 64",
    /^hint: Correct or shorten the prompts, or/m,
  ],
  [
    'a sliding window',
    { architectures: ['MistralForCausalLM'], sliding_window: 64 },
    "the model's sliding window of 64",
    /^hint: Texts are decoded as far as the window reaches: .*a wider window or none/m,
  ],
] as const;

for (const [what, config, named, hint] of limits) {
  test(`${what} is named where a prompt is too long, and texts that are cut off are counted, also when kept`, async () => {
    await inFolder(async (folder) => {
      const model = endlessModel(folder);
      editJson(join(model, 'config.json'), config);
      const out = join(folder, 'texts.parquet');
      const decode = async (more: readonly string[] = []): Promise<Finished> => {
        const files = ['--model', model, '--prompts', join(folder, 'prompts.parquet'), '--out', out];
        return await dare(['decode', ...files, '--set', `model.cache=${cache}`, '--quiet', ...more]);
      };
      await writePrompts(folder, [...somePrompts(3), long]);
      const failed = await decode();
      assert.is(failed.code, 1, failed.stderr);
      assert.match(
        failed.stderr,
        new RegExp(`long: the prompt has \\d+ tokens, ${named} leaves no room for a text`),
      );
      assert.match(failed.stderr, hint);
      // the texts are those that the first run has kept
      const done = await decode(['--set', 'decode.maxFailedShare=0.5']);
      assert.is(done.code, 0, done.stderr);
      const { cutByContext, resumed, warnings } = resultOf(done);
      assert.equal([cutByContext, resumed], [3, 4]);
      const cut = `3 of 4 texts were cut off where they reached ${named} tokens`;
      assert.equal(
        (warnings as string[]).filter((warning) => warning.includes('cut off')),
        [cut],
      );
      assert.is(done.stderr.split(cut).length, 2, done.stderr);
      const reasons = (await readTable(out)).map(({ finish_reason }) => finish_reason);
      assert.equal(reasons.filter((reason) => reason === 'context').length, 3);
    });
  });
}

test('texts that end within the context are no reason to warn', async () => {
  await inFolder(async (folder) => {
    const model = copyModel(folder);
    const files = [
      '--model',
      model,
      '--prompts',
      await writePrompts(folder),
      '--out',
      join(folder, 'texts.parquet'),
    ];
    const settings = ['decode.maxNewTokens=2', `model.cache=${cache}`].flatMap((key) => ['--set', key]);
    const done = await dare(['decode', ...files, ...settings, '--quiet', '--mode', 'autoregressive']);
    assert.equal([done.code, resultOf(done).cutByContext, resultOf(done).warnings], [0, 0, []], done.stderr);
  });
});

test.run();
