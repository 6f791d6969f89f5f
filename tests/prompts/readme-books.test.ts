/** The README's example of another catalogue: its configuration and its templates, run on a small catalogue of books. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../../src/paths.js';
import { dare } from '../cli/spawn.js';
import { cache, sampleModel } from '../pipeline/fixture.js';
import { inFolder, readTable, writeFiles } from './fixture.js';

const books = [
  'isbn,book_title,author,main_subject,published',
  '0061054887,The Dispossessed,Ursula K. Le Guin,science fiction,1974',
  '0140449310,Beowulf,,poetry,',
  '0141439580,Emma,Jane Austen,novel,1815',
  // without a title there is no prompt
  '0000000000,,Nobody,novel,1900',
];
const ratings = [
  'reader,isbn,stars,rated_at',
  'ann,0061054887,5,2026-01-01',
  'ann,0140449310,4,2026-01-02',
  'ann,0141439580,1,2026-01-03',
  // likes nothing: no prompt
  'bob,0141439580,2,2026-01-01',
];

/** Blocks of the example, by language; the last one, without a language, shows prompts. */
function example(): Record<string, string> {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  const [, part = ''] = /<!-- books -->\n(.*?)<!-- \/books -->/s.exec(readme) ?? [];
  const blocks = [...part.matchAll(/^```(\w*)\n(.*?)^```$/gms)];
  return Object.fromEntries(blocks.map(([, language = '', text = '']) => [language, text]));
}

test('the example runs as it stands there, with another model, and gives the prompts that it shows', async () => {
  await inFolder(async (folder) => {
    const { yaml = '', sh = '', '': shown = '' } = example();
    const csv = { 'books.csv': `${books.join('\n')}\n`, 'ratings.csv': `${ratings.join('\n')}\n` };
    writeFiles(folder, { ...csv, 'dare.yaml': yaml });
    execFileSync('bash', ['-euc', sh], { cwd: folder });
    const set = [`model.path=${sampleModel}`, `model.cache=${cache}`, 'decode.maxNewTokens=4'];
    const args = ['run', '--config', 'dare.yaml', ...set.flatMap((one) => ['--set', one])];
    const finished = await dare(args, folder);
    assert.is(finished.code, 0, finished.stderr);
    const table = (name: string) =>
      readTable(join(folder, `lake/${name}/partition=2026-10-06/${name}.parquet`));
    const prompts = new Map((await table('prompts')).map((row) => [row.prompt_id, row.prompt]));
    assert.equal([...prompts.keys()].sort(), [
      'kar:item:0061054887',
      'kar:item:0140449310',
      'kar:item:0141439580',
      'kar:user:ann',
    ]);
    const both = [prompts.get('kar:item:0061054887'), prompts.get('kar:user:ann')];
    assert.is(`${both.join('\n\n')}\n`, shown);
    assert.match(String(prompts.get('kar:item:0140449310')), /\nBook: Beowulf\. Subject: poetry\.$/);
    const features = await table('features');
    assert.is(features.length, 4 + 2);
    assert.is(features.filter(({ kar }) => kar !== null).length, 4);
  });
});

test.run();
