/** What stages warn of: told when they end, once, and also where a later stage or another shard fails. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inShard } from '../../src/decode/run-key.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { query, readTable } from '../prompts/fixture.js';
import { smallCatalogue } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-warnings-'));
const { config } = smallCatalogue(folder);
// segment, prompts and publish read the ratings, and each warns of this one
appendFileSync(join(folder, 'ratings.csv'), '1,987654,5,2024-01-01T00:00:00Z\n');
test.after(() => rmSync(folder, { recursive: true, force: true }));

const unknown = /1 of \d+ ratings in \S+ are of items that inputs\.items does not have, such as "987654"/;
const told = ({ stderr }: Finished, warning: RegExp) =>
  stderr.split('\n').filter((line) => line.startsWith('warning: ') && warning.test(line)).length;
const inResult = (finished: Finished, warning: RegExp) =>
  ((resultOf(finished).warnings ?? []) as string[]).filter((text) => warning.test(text)).length;

test('a run that fails: the warnings of the stages that had finished, once on stderr and once in the JSON line', async () => {
  const lake = join(folder, 'failing');
  const run = ['run', '--config', config, '--lake', lake];
  // the table of prompts can't be written where a folder has its name
  mkdirSync(join(lake, 'prompts/partition=a/prompts.parquet/occupied'), { recursive: true });
  const failed = await dare(run);
  assert.is(failed.code, 1, failed.stderr);
  assert.equal([told(failed, unknown), inResult(failed, unknown)], [1, 1], failed.stderr);
  assert.ok(
    failed.stderr.indexOf('987654') < failed.stderr.indexOf('prompts: '),
    `when the stage ends:\n${failed.stderr}`,
  );
  const quiet = await dare([...run, '--force', '--quiet']);
  assert.equal([told(quiet, unknown), inResult(quiet, unknown)], [1, 1], quiet.stderr);
});

test('a run: what several stages warn of stands once on stderr and once in the JSON line', async () => {
  const done = await dare(['run', '--config', config, '--lake', join(folder, 'done')]);
  assert.is(done.code, 0, done.stderr);
  assert.equal([told(done, unknown), inResult(done, unknown)], [1, 1], done.stderr);
});

test('a shard fails: the warnings of the others are told, and theirs are in the JSON line', async () => {
  const lake = join(folder, 'shards');
  const place = ['--config', config, '--lake', lake, '--quiet', '--set', 'decode.mode=autoregressive'];
  for (const stage of ['segment', 'prompts', 'pools']) assert.is((await dare([stage, ...place])).code, 0);
  const prompts = join(lake, 'prompts/partition=a/prompts.parquet');
  const ids = (await readTable(prompts)).map(({ prompt_id }) => prompt_id as string);
  const id = ids.find((name) => inShard(name, { index: 1, count: 2 })) as string;
  const changed = join(folder, 'changed.parquet');
  await query(
    'COPY (SELECT * REPLACE (if(prompt_id = $id, NULL, prompt) AS prompt) FROM read_parquet($prompts)) TO $changed',
    { id, prompts, changed },
  );
  await query('COPY (FROM read_parquet($changed)) TO $prompts', { changed, prompts });
  // shard 2 can't be written where a folder has its name
  mkdirSync(join(lake, '_unfinished/texts/partition=a/part-2-of-2.parquet/occupied'), { recursive: true });
  const failed = await dare([
    'decode',
    ...place,
    '--set',
    'decode.shards=2',
    '--set',
    'decode.maxFailedShare=0.1',
  ]);
  assert.is(failed.code, 2, failed.stderr);
  const warning = new RegExp(`shard 1/2: 1 of \\d+ prompts could not be decoded: ${id}`);
  assert.equal([told(failed, warning), inResult(failed, warning)], [1, 1], failed.stderr);
});

test.run();
