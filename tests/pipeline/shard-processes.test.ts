/** `dare run` and `dare decode` with several processes on this machine. */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listFolder } from '../../src/lake/folder.js';
import { readManifest } from '../../src/lake/manifest.js';
import { readShard } from '../../src/lake/shards.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { readTable } from '../prompts/fixture.js';
import { smallCatalogue } from './fixture.js';
import { keptRows, killedAt } from './killed.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-processes-'));
const { config, prompts } = smallCatalogue(folder);
test.after(() => rmSync(folder, { recursive: true, force: true }));

const greedy = ['--config', config, '--set', 'decode.mode=greedy', '--set', 'decode.rounds.first=0.3'];
const inShards = [...greedy, '--set', 'decode.shards=2'];
const lakeOf = (name: string) => join(folder, name);
const textsOf = (lake: string) => readTable(join(lake, 'texts/partition=a/texts.parquet'));

function succeed(finished: Finished): Record<string, unknown> {
  assert.is(finished.code, 0, finished.stderr);
  return resultOf(finished);
}

/** Rows without decisions that batches can turn; all others' texts are the same however they are decoded. */
function clear(rows: Record<string, unknown>[]): unknown[] {
  return rows
    .filter(({ near_ties }) => near_ties === 0)
    .map(({ prompt_id, text, output_token_ids }) => [prompt_id, text, output_token_ids]);
}

test('a run in two processes, from a first round that makes the pools: the same greedy texts, and nothing left over', async () => {
  const alone = lakeOf('alone');
  succeed(await dare(['run', ...greedy, '--lake', alone, '--quiet']));
  const lake = lakeOf('shards');
  // the first round is no earlier table: it counts whatever is taken over from those
  const run = await dare(['run', ...inShards, '--lake', lake, '--set', 'decode.reuse=off']);
  const result = succeed(run);
  assert.match(run.stderr, /the first round of the texts of partition a: its texts make the pools/);
  for (const shard of ['1/2', '2/2'])
    assert.match(run.stderr, new RegExp(`^decoding on .*shard ${shard}\\)$`, 'm'));
  const stages = result.stages as Record<string, Record<string, unknown>>;
  const texts = await textsOf(lake);
  await checkSums(lake, texts, stages.decode as Record<string, unknown>);
  const ofFirst = [...run.stderr.matchAll(/^(\d+) of (\d+) texts are of the first round/gm)];
  const sums = [1, 2].map((group) => ofFirst.reduce((sum, match) => sum + Number(match[group]), 0));
  assert.equal(sums, [stages.decode?.firstRound, prompts], `of each shard's own:\n${run.stderr}`);
  assert.not.match(run.stderr, /taken over from earlier tables/);
  assert.match(
    run.stderr,
    new RegExp(`^decode: ${prompts} of ${prompts}, .*/s, done in`, 'm'),
    'of all shards',
  );
  assert.match(run.stderr, /^drafting .* in 2 rounds, from pools of the rounds before/m);
  assert.is(texts.length, prompts);
  const [own, others] = [clear(texts), clear(await textsOf(alone))];
  const ids = new Set(others.map((row) => (row as unknown[])[0]));
  const both = own.filter((row) => ids.has((row as unknown[])[0]));
  assert.ok(both.length > prompts / 2, `${both.length} rows were compared`);
  const known = new Set(both.map((row) => (row as unknown[])[0]));
  assert.equal(
    both,
    others.filter((row) => known.has((row as unknown[])[0])),
  );
  // texts of the first round were drafted from nothing, those of the shards from its pools
  const versions = new Set(texts.map(({ pool_version }) => pool_version));
  assert.is(versions.size, 2);
  assert.ok(versions.has(null));
  assert.not.ok(existsSync(join(lake, '_unfinished')), 'nothing is left over');
  const again = succeed(await dare(['run', ...inShards, '--lake', lake, '--quiet', '--skip-exit-code', '0']));
  assert.is(again.skipped, true, 'all is fresh, the pools of the first round too');
});

/** What is said of the table holds for its rows, those of the first round too. */
async function checkSums(
  lake: string,
  texts: Record<string, unknown>[],
  result: Record<string, unknown>,
): Promise<void> {
  const sum = (name: string) => texts.reduce((all, row) => all + Number(row[name]), 0);
  const sums = {
    rows: prompts,
    takenOver: 0,
    resumed: 0,
    failed: 0,
    firstRound: texts.filter(({ pool_version }) => pool_version === null).length,
    rounds: 2,
    unknownCohort: result.unknownCohort,
    outputTokens: sum('output_tokens'),
    decodeSteps: sum('decode_steps'),
    draftedTokens: sum('drafted_tokens'),
    acceptedTokens: sum('accepted_tokens'),
  };
  const manifest = (await readManifest(join(lake, 'texts/partition=a'))) ?? {};
  for (const said of [result, manifest])
    assert.equal(Object.fromEntries(Object.keys(sums).map((name) => [name, said[name]])), sums);
  const statistics = manifest.statistics as Record<string, number>;
  assert.equal([statistics.texts, statistics.textSteps], [prompts, sums.decodeSteps]);
  assert.is(statistics.tokens, manifest.emittedTokens);
}

test('stopped by a signal all processes stop; the next run goes on where they were', async () => {
  const lake = lakeOf('stopped');
  for (const stage of ['segment', 'prompts', 'pools'])
    succeed(await dare([stage, ...greedy, '--lake', lake, '--quiet']));
  // texts of mode relaxed depend on a cost table, which is kept beside them meanwhile
  const slowly = ['--set', 'decode.mode=relaxed', '--set', 'decode.concurrency=1'];
  const strict = ['--set', 'decode.reuse=strict'];
  const decode = ['decode', ...inShards, '--lake', lake, ...slowly, ...strict];
  const stopped = await dare(decode, undefined, { after: 'shard 2/2', signal: 'SIGTERM' });
  assert.is(stopped.code, 143, stopped.stderr);
  const first = await readShard(join(lake, '_unfinished/texts/partition=a/first-round/texts.parquet'));
  assert.not.ok(existsSync(join(lake, 'texts/partition=a/texts.parquet')));
  const resumed = await dare([...decode, '--json']);
  // each shard is a stage of its own in the log, with begin and end
  const events = resumed.stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .flatMap(({ event, stage, shard }) =>
      event === undefined ? [] : [`${event} ${stage} ${shard ?? 'all'}`],
    );
  assert.equal(events.sort(), [
    'end decode 1/2',
    'end decode 2/2',
    'end decode all',
    'start decode 1/2',
    'start decode 2/2',
    'start decode all',
  ]);
  const result = succeed(resumed);
  assert.is(result.rows, prompts);
  assert.equal([result.takenOver, Number(result.firstRound) > 0], [0, true]);
  assert.ok(Number(result.resumed) >= Number(result.firstRound), 'the first round was finished before');
  const manifest = await readManifest(join(lake, 'texts/partition=a'));
  assert.equal(manifest?.costs, first.metadata.costs, 'one cost table for all relaxed texts');
  assert.is((await textsOf(lake)).length, prompts);
  assert.not.ok(existsSync(join(lake, '_unfinished')), 'nothing is left over');
});

/** A lake whose shards have pools and long texts to decode, and how that is begun. */
function longWork(name: string): { unfinished: string; decode: string[] } {
  const lake = lakeOf(name);
  cpSync(lakeOf('shards'), lake, { recursive: true });
  const settings = ['decode.reuse=off', 'decode.concurrency=1', 'decode.maxNewTokens=200'];
  const set = settings.flatMap((setting) => ['--set', setting]);
  const unfinished = join(lake, '_unfinished/texts/partition=a');
  return { unfinished, decode: ['decode', ...inShards, '--lake', lake, ...set] };
}

/** Locks that nobody has given back, and finished shards. */
const leftIn = (unfinished: string) =>
  listFolder(unfinished).filter((name) => /\.lock-|\.parquet$/.test(name));
const bothDecode = ['shard 1/2)', 'shard 2/2)'];

test('SIGINT of a terminal, which reaches all processes, stops each of them after its step', async () => {
  const { unfinished, decode } = longWork('terminal');
  const stopped = await dare(decode, undefined, { after: bothDecode, signal: 'SIGINT', toAll: true });
  assert.is(stopped.code, 130, stopped.stderr);
  assert.equal(leftIn(unfinished), [], 'the locks are given back');
});

test('shards whose parent is killed stop after their step', async () => {
  const { unfinished, decode } = longWork('orphans');
  const killed = await dare(decode, undefined, { after: bothDecode, signal: 'SIGKILL' });
  assert.is(killed.code, null, killed.stderr);
  for (let tries = 0; tries < 600 && leftIn(unfinished).length > 0; tries++) await setTimeout(100);
  assert.equal(leftIn(unfinished), [], 'no shard was finished, and the locks are given back');
});

test('killed in the first round: the next run goes on behind the texts that it had finished', async () => {
  const lake = lakeOf('killed');
  for (const stage of ['segment', 'prompts', 'pools'])
    succeed(await dare([stage, ...greedy, '--lake', lake, '--quiet']));
  const decode = ['decode', ...inShards, '--lake', lake, '--set', 'decode.concurrency=1'];
  const kept = join(lake, '_unfinished/texts/partition=a/whole');
  const { killed, stderr } = await killedAt(decode, { folder: kept, rows: 3 });
  assert.ok(killed, stderr);
  const finished = keptRows(kept);
  const result = succeed(await dare([...decode, '--quiet']));
  assert.equal([result.rows, result.resumed, result.takenOver], [prompts, finished, 0]);
  assert.ok(Number(result.firstRound) > finished);
  assert.not.ok(existsSync(join(lake, '_unfinished')), 'nothing is left over');
});

test('a shard that fails: its sentence, what the others finished is kept', async () => {
  const lake = lakeOf('failing');
  cpSync(lakeOf('shards'), lake, { recursive: true });
  const model = join(folder, 'other-cache');
  // shard 2 can't be written where a folder has its name
  const place = join(lake, '_unfinished/texts/partition=a/part-2-of-2.parquet/occupied');
  cpSync(config, place);
  const decode = [
    'decode',
    ...inShards,
    '--lake',
    lake,
    '--set',
    'decode.reuse=off',
    '--set',
    `model.cache=${model}`,
  ];
  const failed = await dare([...decode, '--quiet']);
  assert.is(failed.code, 2, failed.stderr);
  assert.match(failed.stderr, /error: dare decode: shard 2\/2 .*part-2-of-2\.parquet/);
  assert.match(failed.stderr, /hint: What the others finished is kept/);
  rmSync(join(place, '..'), { recursive: true });
  const result = succeed(await dare([...decode, '--quiet']));
  assert.is(result.rows, prompts);
  assert.not.ok(existsSync(join(lake, '_unfinished')));
});

test('too few prompts for a first round are decoded without shards', async () => {
  const lake = lakeOf('few');
  const few = [...inShards, '--lake', lake, '--set', 'decode.rounds.first=0.0001'];
  const run = await dare(['run', ...few]);
  succeed(run);
  assert.match(run.stderr, /too few prompts for a first round: they are decoded without shards/);
  assert.is((await textsOf(lake)).length, prompts);
  assert.not.ok(existsSync(join(lake, '_unfinished')));
});

test.run();
