/** Signals while `dare decode` is decoding: it ends cleanly, and readers see what they saw before. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dare, resultOf } from '../cli/spawn.js';
import { assertUntouched, bytesBelow, inFolder } from '../prompts/fixture.js';
import { cache, oneByOne, sampleModel, smallCatalogue, somePrompts, writePrompts } from './fixture.js';

const signals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

// long texts one by one, so that the signal arrives before the end
const slowly = [...oneByOne, '--set', 'decode.maxNewTokens=256'];
const briefly = ['--set', 'decode.maxNewTokens=4', '--quiet'];

/** Decodes into `folder`, then again until the first line of progress, then sends each of the signals. */
async function interrupted(args: readonly string[], folder: string, prompts: number): Promise<void> {
  const first = await dare([...args, ...briefly]);
  assert.is(first.code, 0, first.stderr);
  const before = bytesBelow(folder);
  for (const [signal, code] of signals) {
    const stopped = await dare([...args, ...slowly], folder, { after: `decode: 0 of ${prompts}`, signal });
    assert.is(stopped.code, code, stopped.stderr);
    assert.match(stopped.stderr, new RegExp(`warning: stopped by ${signal}: ending the current step`));
    assert.equal(resultOf(stopped), { stage: 'decode', error: `stopped by ${signal}`, exitCode: code });
    assertUntouched(folder, before);
  }
}

test('in the lake: exit code 130 or 143, the earlier output stays, no half file', async () => {
  await inFolder(async (folder) => {
    const { config, prompts } = smallCatalogue(folder);
    for (const stage of ['segment', 'prompts', 'pools'])
      assert.is((await dare([stage, '--config', config, '--quiet'])).code, 0);
    await interrupted(['decode', '--config', config], join(folder, 'lake'), prompts);
  });
});

test('without a lake: exit code 130 or 143, the earlier output stays, no half file', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder, somePrompts(40));
    const out = join(folder, 'out');
    mkdirSync(out);
    const files = ['--model', sampleModel, '--prompts', prompts, '--out', join(out, 'texts.parquet')];
    await interrupted(['decode', ...files, '--set', `model.cache=${cache}`], out, 40);
  });
});

test.run();
