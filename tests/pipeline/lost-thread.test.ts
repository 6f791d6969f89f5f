/** The decoding thread ends in the middle of a text, as native code or a lack of memory may end it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dare, resultOf } from '../cli/spawn.js';
import { inFolder, readTable } from '../prompts/fixture.js';
import { cache, limited, sampleModel, somePrompts, writePrompts } from './fixture.js';

/**
 * Ends the decoding thread at its n-th text: with one slot so many minus two are finished then, and the one before it has
 * begun.
 */
const ending = (texts: number) => `
import { parentPort, workerData } from 'node:worker_threads';
let texts = 0;
if (workerData?.engine !== undefined) {
  parentPort.on('message', ({ type }) => {
    if (type === 'decode' && ++texts === ${texts}) process.exit(7);
  });
}
`;

test('exit code 1 and the reason, no hang; finished texts are kept, and the next run goes on behind them', async () => {
  await inFolder(async (folder) => {
    const out = join(folder, 'texts.parquet');
    const files = [
      '--model',
      sampleModel,
      '--prompts',
      await writePrompts(folder, somePrompts(6)),
      '--out',
      out,
    ];
    const settings = ['--concurrency', '1', '--mode', 'autoregressive', '--set', `model.cache=${cache}`];
    const args = ['decode', ...files, ...settings, '--set', 'decode.maxNewTokens=16', '--quiet'];
    const crash = join(folder, 'crash.mjs');
    writeFileSync(crash, ending(5));
    // it is loaded by each thread before its own module
    const lost = await limited(args, { env: { NODE_OPTIONS: `--import=${pathToFileURL(crash).href}` } });
    assert.is(lost.code, 1, lost.stderr);
    const error = 'The decoding thread ended with code 7';
    assert.equal(resultOf(lost), { stage: 'decode', error, exitCode: 1 });
    assert.match(lost.stderr, new RegExp(`^error: dare decode: ${error}$`, 'm'));
    const [, kept] = /hint: (\d) finished texts are kept: run it again/.exec(lost.stderr) ?? [];
    assert.ok(Number(kept) >= 1 && Number(kept) < 5, lost.stderr);
    const again = await dare(args);
    assert.is(again.code, 0, again.stderr);
    assert.equal([resultOf(again).rows, resultOf(again).resumed], [6, Number(kept)]);
    assert.ok((await readTable(out)).every(({ text }) => text !== null));
  });
});

test.run();
