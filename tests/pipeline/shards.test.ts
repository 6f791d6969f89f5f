/** Shards of a partition on a lake, and two runs that want the same one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { listValue } from 'duckdb';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck, listOfFiles } from '../../src/lake/duck.js';
import { readShard } from '../../src/lake/shards.js';
import { commandLine, dare, type Finished, resultOf } from '../cli/spawn.js';
import { readTable } from '../prompts/fixture.js';
import { oneByOne, smallCatalogue } from './fixture.js';
import { keptRows, killedAt } from './killed.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-shards-'));
const { config, prompts } = smallCatalogue(folder);
const lake = join(folder, 'lake');
const unfinished = join(lake, '_unfinished/texts/partition=b');
const texts = join(lake, 'texts/partition=b/texts.parquet');
// texts of the other partition would be taken over, and nothing would be decoded
const onLake = ['--config', config, '--partition', 'b', '--quiet', '--set', 'decode.reuse=off'];
const part = (index: number, count = 3) => join(unfinished, `part-${index}-of-${count}.parquet`);
const decode = (index: number, count = 3, more: readonly string[] = []) =>
  dare(['decode', ...onLake, '--shard', `${index}/${count}`, ...more]);
const publish = () => dare(['publish', ...onLake]);

async function succeed(args: readonly string[]): Promise<Record<string, unknown>> {
  return resultFrom(await dare(args));
}

function resultFrom(finished: Finished): Record<string, unknown> {
  assert.is(finished.code, 0, finished.stderr);
  return resultOf(finished);
}

function assertRefused(finished: Finished, code: number, says: RegExp): void {
  assert.is(finished.code, code, finished.stderr);
  assert.match(finished.stderr, says);
  assert.match(finished.stderr, /^error: dare \w+: [^\n]*\nhint: [^\n]*\n$/);
}

let whole: Record<string, unknown>[];
let undisturbed: Record<string, unknown>;

test.after(() => rmSync(folder, { recursive: true, force: true }));

test('a shard needs pools, but in mode autoregressive: exit code 2, with what to do', async () => {
  for (const stage of ['segment', 'prompts', 'pools']) await succeed([stage, ...onLake]);
  const refused = await decode(1);
  assertRefused(
    refused,
    2,
    /a shard in mode relaxed needs pools to draft from, and the partition b has none/,
  );
  assert.match(refused.stderr, /hint: .*dare pools.*without --shard/);
  assert.not.ok(existsSync(join(lake, '_unfinished')));
  const plain = resultFrom(
    await decode(1, 100, ['--mode', 'autoregressive', '--set', 'decode.maxNewTokens=1']),
  );
  assert.is(plain.shard, '1/100');
  rmSync(part(1, 100));
  // the texts of another partition make pools for this one
  await succeed(['run', '--config', config, '--quiet']);
  await succeed(['pools', ...onLake]);
  undisturbed = await succeed(['decode', ...onLake]);
  whole = await readTable(texts);
  rmSync(join(lake, 'texts/partition=b'), { recursive: true });
});

test('an incomplete set is refused: what is missing is said', async () => {
  const first = resultFrom(await decode(1));
  assert.equal(readdirSync(unfinished), ['costs', 'part-1-of-3.parquet']);
  assert.equal(first.files, [part(1)]);
  assertRefused(await publish(), 2, /of 3 shards in .* there are missing 2\/3, 3\/3/);
  assert.not.ok(existsSync(texts));
  resultFrom(await decode(2));
  assertRefused(await publish(), 2, /there is missing 3\/3/);
});

test('a finished shard that is run again: nothing to do, its true counts, the exit code that was asked for', async () => {
  const before = readFileSync(part(1));
  const rows = (await readTable(part(1))).length;
  const again = resultFrom(await decode(1));
  assert.equal([again.skipped, again.rows, again.files], [true, rows, [part(1)]]);
  assert.ok((again.outputTokens as number) > rows);
  const skipped = await decode(1, 3, ['--skip-exit-code', '99']);
  assert.equal([skipped.code, resultOf(skipped).rows], [99, rows]);
  assert.ok(before.equals(readFileSync(part(1))));
});

test('a shard that is killed goes on where it was', async () => {
  const args = ['decode', ...onLake, '--shard', '3/3', ...oneByOne];
  const kept = join(unfinished, 'part-3-of-3');
  assert.ok((await killedAt(args, { folder: kept, rows: 4 })).killed);
  const before = keptRows(kept);
  const result = resultFrom(await decode(3, 3, ['--concurrency', '2']));
  assert.is(result.resumed, before);
  assert.ok(before >= 4 && before < (result.rows as number));
});

test('mixed and broken sets are refused: another number of shards, other settings, a file that is cut off', async () => {
  resultFrom(await decode(1, 4));
  assertRefused(await publish(), 2, /holds shards of two sets: part-1-of-3 and part-1-of-4/);
  rmSync(part(1, 4));
  const good = readFileSync(part(2));
  resultFrom(await decode(2, 3, ['--set', 'decode.maxNewTokens=5']));
  assertRefused(
    await publish(),
    2,
    /part-2-of-3\.parquet don't belong together: .*other decode\.maxNewTokens/,
  );
  writeFileSync(part(2), good);
  truncateSync(part(2), good.length >> 1);
  assertRefused(await publish(), 2, /part-2-of-3\.parquet is no whole shard/);
  writeFileSync(part(2), good);
  assert.is((await readShard(part(2))).run.shard, '2/3');
});

/** Writes a file of rows again, and changes what it says of them. */
async function editMetadata(from: string, to: string, edit: (metadata: Metadata) => void): Promise<void> {
  const { metadata } = await readShard(from);
  const edited = metadata as Metadata;
  edit(edited);
  mkdirSync(dirname(to), { recursive: true });
  const copy = `${to}.copy`;
  const duck = await Duck.open({ threads: 1 });
  try {
    const params = { files: listValue([from]), final: copy, metadata: JSON.stringify(edited) };
    await duck.script('lake/texts-first-round', { params, types: listOfFiles });
  } finally {
    duck.close();
  }
  renameSync(copy, to);
}

interface Metadata extends Record<string, unknown> {
  counts: Record<string, number>;
  statistics?: Record<string, unknown>;
}

test('shards of a version that knew less of them: not joined, with what to do, and decoded anew', async () => {
  const good = readFileSync(part(1));
  // as one of whose texts a first round made the pools
  const round = join(unfinished, 'first-round/texts.parquet');
  await editMetadata(part(1), part(1), ({ counts }) => {
    counts.firstRound = 1;
  });
  await editMetadata(part(2), round, (metadata) => {
    delete metadata.statistics;
  });
  const old = await publish();
  assertRefused(old, 2, /first-round\/texts\.parquet is of another version of dare: .*say statistics$/m);
  assert.match(old.stderr, /hint: Remove it, .* dare publish/);
  rmSync(dirname(round), { recursive: true });
  writeFileSync(part(1), good);

  await editMetadata(part(1), part(1), ({ counts, statistics }) => {
    delete counts.firstRound;
    delete statistics?.textSteps;
  });
  const refused = await publish();
  const lacks =
    /part-1-of-3\.parquet is of another version of dare: it doesn't say counts\.firstRound, statistics\.textSteps$/m;
  assertRefused(refused, 2, lacks);
  assert.match(refused.stderr, /hint: Decode it again: dare decode --shard 1\/3\./);
  assert.not.ok(existsSync(texts));
  const again = resultFrom(await decode(1));
  assert.equal([again.skipped, again.resumed, again.rows], [undefined, 0, (await readTable(part(1))).length]);
});

const columns = ['prompt_id', 'text', 'output_token_ids', 'finish_reason', 'pool_version', 'round', 'vector'];

test('the joined table is that of an undisturbed run without shards, in one file, and nothing is left', async () => {
  const published = resultFrom(await publish());
  assert.is(published.shards, 3);
  const joined = await readTable(texts);
  assert.equal(
    joined.map(({ prompt_id }) => prompt_id),
    whole.map(({ prompt_id }) => prompt_id),
  );
  let compared = 0;
  for (const [i, row] of joined.entries()) {
    const other = whole[i] as Record<string, unknown>;
    if (row.near_ties !== 0 || other.near_ties !== 0) continue;
    compared++;
    for (const column of columns.slice(0, -1))
      assert.equal(row[column], other[column], `${row.prompt_id}: ${column}`);
  }
  assert.ok(compared > prompts / 2);
  assert.equal(Object.keys(joined[0] as object), Object.keys(whole[0] as object));
  assert.not.ok(existsSync(join(lake, '_unfinished')));
  const manifest = JSON.parse(readFileSync(join(lake, 'texts/partition=b/_manifest.json'), 'utf8'));
  for (const name of ['rows', 'failed', 'outputTokens', 'rounds', 'poolVersion'])
    assert.equal(manifest[name], undisturbed[name], name);
  // of the texts that the last command of each shard decoded
  const { rows, resumed, takenOver, failed, statistics, device } = manifest;
  assert.is(statistics.texts, rows - resumed - takenOver - failed);
  assert.match(device, /^cpu\b/);
  // its file is gone, and its counts are still known
  const again = await decode(2, 3, ['--skip-exit-code', '99']);
  assert.is(again.code, 99, again.stderr);
  assert.equal([resultOf(again).rows, resultOf(again).files], [manifest.shards[1].rows, [texts]]);
  const skip = ['publish', ...onLake, '--skip-exit-code', '99'];
  assert.is((await dare(skip)).code, 99);
  // other texts: to be joined, though the features are those of the table
  for (const index of [1, 2]) resultFrom(await decode(index, 2, ['--set', 'decode.maxNewTokens=5']));
  assert.is(resultFrom(await dare(skip)).shards, 2);
  assert.ok((await readTable(texts)).every(({ output_tokens }) => (output_tokens as number) <= 5));
});

test('shards that a whole run has overtaken are gone: the newer table stays', async () => {
  resultFrom(await decode(1, 1, ['--set', 'decode.maxNewTokens=5']));
  await succeed(['decode', ...onLake]);
  assert.not.ok(existsSync(join(lake, '_unfinished')));
});

test('two runs at once: the second is refused with the process and start of the first', async () => {
  const slowly = [...oneByOne, '--set', 'decode.maxNewTokens=256', '--mode', 'greedy'];
  const args = ['decode', '--config', config, '--partition', 'b', ...slowly];
  const first = spawn(process.execPath, [...commandLine, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  first.stderr.setEncoding('utf8');
  for await (const text of first.stderr.iterator({ destroyOnReturn: false })) {
    said += text;
    if (said.includes(`decode: 0 of ${prompts}`)) break;
  }
  const second = await dare(['decode', ...onLake, ...slowly]);
  assertRefused(
    second,
    1,
    new RegExp(
      `the texts of partition b: another run is at work on it, process ${first.pid} on \\S+, started 20\\d\\d-`,
    ),
  );
  first.stderr.resume();
  first.kill('SIGTERM');
  const [code] = await once(first, 'close');
  assert.is(code, 143, said);
  const left = existsSync(unfinished) ? readdirSync(unfinished) : [];
  assert.equal(
    left.filter((name) => name.includes('lock')),
    [],
  );
});

test.run();
