/** `dare decode` on a pool in which one bit of a count was flipped: sizes, order and ranges don't show it. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openPool, readPoolFile } from '../../src/pool/file.js';
import { dare, resultOf } from '../cli/spawn.js';
import { filesBelow, inFolder, writeTable } from '../prompts/fixture.js';
import { cache, sampleModel, textColumns, textRows, writePrompts } from './fixture.js';

/** Flips the first bit, from the middle of the file on, that opening it doesn't mind. */
function damage(file: string): void {
  const whole = readFileSync(file);
  for (let at = whole.length >> 1; at < whole.length; at++) {
    const broken = Buffer.from(whole);
    broken[at] = (broken[at] as number) ^ 1;
    writeFileSync(file, broken);
    try {
      openPool(readPoolFile(file), file);
      return;
    } catch {
      // it was seen
    }
  }
  throw new Error('opening the pool found every flipped bit');
}

test('mode relaxed refuses a damaged pool and says which and what to do; others, and who asks for it, as configured', async () => {
  await inFolder(async (folder) => {
    const texts = join(folder, 'texts.parquet');
    await writeTable(texts, textColumns, textRows);
    const pools = join(folder, 'pools');
    const build = () =>
      dare(['pools', '--texts', texts, '--tokenizer', sampleModel, '--out', pools, '--quiet']);
    assert.is((await build()).code, 0);
    const prompts = await writePrompts(folder);
    const out = join(folder, 'out.parquet');
    const decode = (mode: string, ...set: string[]) => {
      rmSync(out, { force: true });
      const settings = [`model.cache=${cache}`, 'decode.maxNewTokens=4', 'decode.nodes=4', ...set];
      const files = ['--model', sampleModel, '--prompts', prompts, '--pools', pools, '--out', out];
      return dare([
        ...['decode', ...files, '--mode', mode, '--quiet'],
        ...settings.flatMap((setting) => ['--set', setting]),
      ]);
    };
    const whole = resultOf(await decode('relaxed')).poolVersion;
    const shared = filesBelow(pools).find((file) => file.startsWith('shared')) as string;
    damage(join(pools, shared));
    for (const [mode, set, refused] of [
      ['relaxed', [], true],
      ['greedy', [], false],
      ['greedy', ['decode.verifyPools=true'], true],
      ['relaxed', ['decode.verifyPools=false'], false],
    ] as const) {
      const { code, stderr, ...finished } = await decode(mode, ...set);
      assert.is(code, refused ? 2 : 0, `${mode} ${set}: ${stderr}`);
      // the version of the pools doesn't tell
      if (!refused) assert.is(resultOf({ code, stderr, ...finished }).poolVersion, whole);
      else {
        assert.match(stderr, new RegExp(`${shared} was damaged or changed since it was written`));
        assert.match(stderr, /Build the pools again: dare pools\./);
      }
    }
    // as it says
    assert.is((await build()).code, 0);
    assert.is((await decode('relaxed')).code, 0);
  });
});

test.run();
