/** `dare decode` killed at any moment goes on where it was, and writes the table of an undisturbed run. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dare, resultOf } from '../cli/spawn.js';
import { filesBelow, inFolder, isKept, readTable } from '../prompts/fixture.js';
import { cache, oneByOne, sampleModel, somePrompts, writePrompts } from './fixture.js';
import { bytesIn, keptRows, killedAt, type Moment, randomFrom, someSeed } from './killed.js';

const random = randomFrom(someSeed());
const count = 40;
const kills = 30;

/** `dare decode` of the prompts into `out`. */
function command(prompts: string, out: string, settings: readonly string[] = []): string[] {
  const files = ['--model', sampleModel, '--prompts', prompts, '--out', out];
  const brief = ['--set', 'decode.maxNewTokens=8', '--set', `model.cache=${cache}`];
  return ['decode', ...files, ...brief, ...settings];
}

async function succeed(args: readonly string[]): Promise<Record<string, unknown>> {
  const finished = await dare(args);
  assert.is(finished.code, 0, finished.stderr);
  return resultOf(finished);
}

type Table = Map<unknown, Record<string, unknown>>;

async function tableOf(file: string): Promise<Table> {
  const rows = await readTable(file);
  assert.is(new Set(rows.map(({ prompt_id }) => prompt_id)).size, rows.length, 'no row is doubled');
  return new Map(rows.map((row) => [row.prompt_id, row]));
}

/** Compares columns of rows in which no decision was a near tie; those are most. */
function assertSame(actual: Table, expected: Table, columns: readonly string[]): void {
  assert.equal([...actual.keys()], [...expected.keys()]);
  let compared = 0;
  for (const [id, row] of actual) {
    const other = expected.get(id) as Record<string, unknown>;
    if (row.near_ties !== 0 || other.near_ties !== 0) continue;
    compared++;
    for (const column of columns) assert.equal(row[column], other[column], `${id}: ${column}`);
  }
  assert.ok(compared > actual.size / 2, `${compared} rows of ${actual.size} were compared`);
}

const texts = ['prompt_id', 'text', 'output_token_ids', 'finish_reason'];
const sums = ['rows', 'failed', 'outputTokens', 'rounds'];

test(`kill -9 at ${kills} random moments: nothing is lost, doubled or decoded twice`, async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder, somePrompts(count));
    const settings = ['--mode', 'greedy', '--concurrency', '4'];
    const whole = join(folder, 'whole.parquet');
    const started = performance.now();
    const undisturbed = await succeed(command(prompts, whole, settings));
    const duration = performance.now() - started;
    const expected = await tableOf(whole);
    let done = 0;
    for (let turn = 0; done < kills; turn++) {
      const out = join(folder, `out-${turn}`, 'texts.parquet');
      mkdirSync(join(folder, `out-${turn}`));
      const args = command(prompts, out, settings);
      const kept = `${out}.unfinished/whole`;
      for (let before = 0; ; ) {
        const run = await killedAt(args, someMoment(kept, duration));
        if (!run.killed) {
          assert.is(run.code, 0, run.stderr);
          const result = resultOf(run);
          assert.equal(
            [result.rows, result.resumed],
            [count, before],
            'what was kept is decoded by no other run',
          );
          for (const name of sums) assert.equal(result[name], undisturbed[name], name);
          break;
        }
        done++;
        // killed after publishing, before it could say so: the table is whole
        if (existsSync(out)) assert.is((await tableOf(out)).size, count, 'no table before all is decoded');
        const after = existsSync(out) ? count : keptRows(kept);
        assert.ok(after >= before, `${before} texts were kept, ${after} are`);
        before = after;
        if (existsSync(out) && !existsSync(kept)) break;
      }
      assertSame(await tableOf(out), expected, texts);
      // killed between publishing and removing what was kept
      if (existsSync(`${out}.unfinished`)) await succeed(args);
      assert.equal(filesBelow(join(folder, `out-${turn}`)), ['texts.parquet'], 'nothing is left over');
    }
  });
});

/** Any time of the run, or any size of what it keeps beyond what is there. */
function someMoment(folder: string, duration: number): Moment {
  if (random() < 0.3) return { milliseconds: random() * duration };
  return { folder, bytes: bytesIn(folder) + 1 + random() * 30_000 };
}

test('rounds and mode relaxed: a run that was killed makes the same pools, and from them the same texts', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder, somePrompts(count));
    const settings = [...oneByOne, '--set', 'decode.rounds={ first: 0.2, growth: 2 }'];
    const whole = join(folder, 'whole.parquet');
    const undisturbed = await succeed(command(prompts, whole, settings));
    assert.ok((undisturbed.rounds as number) > 2);
    const out = join(folder, 'texts.parquet');
    const args = command(prompts, out, settings);
    const kept = `${out}.unfinished/whole`;
    // in each of the rounds
    for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) {
      const run = await killedAt(args, { folder: kept, rows: share * count });
      assert.ok(run.killed, run.stderr);
    }
    const before = keptRows(kept);
    const result = await succeed(args);
    assert.equal([result.rows, result.resumed], [count, before]);
    assert.ok(before > 0 && before < count, `${before} texts`);
    for (const name of [...sums, 'poolVersion', 'emittedTokens', 'decodeSteps', 'relaxedTokens'])
      assert.equal(result[name], undisturbed[name], name);
    assertSame(await tableOf(out), await tableOf(whole), [...texts, 'pool_version', 'round', 'decode_steps']);
  });
});

test('kept texts of another run are never mixed in: what differs is said, and it starts anew', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder, somePrompts(count));
    const out = join(folder, 'texts.parquet');
    const kept = `${out}.unfinished/whole`;
    const left = join(folder, 'left');
    const greedy = ['--mode', 'greedy'];
    assert.ok((await killedAt(command(prompts, out, greedy), { folder: kept, rows: 8 })).killed);
    renameSync(`${out}.unfinished`, left);
    const finish = async (
      settings: readonly string[],
      why: string | undefined,
      more: readonly string[] = [],
    ) => {
      cpSync(left, `${out}.unfinished`, { recursive: true });
      const finished = await dare([...command(prompts, out, settings), ...more, '--quiet']);
      assert.is(finished.code, 0, finished.stderr);
      const said = /are of another run \((.*)\): starting anew/.exec(finished.stderr)?.[1];
      assert.is(said, why, finished.stderr);
      assert.is((resultOf(finished).resumed as number) > 0, why === undefined);
    };
    await finish(
      ['--mode', 'autoregressive'],
      'other decode.mode, other decode.rounds, other pools.maxLength',
    );
    // settings that change no text
    await finish([...greedy, '--concurrency', '3', '--set', 'decode.maxFailedShare=0.5'], undefined);
    await writePrompts(folder, [...somePrompts(count - 1), { ...somePrompts(1)[0], prompt_id: 'new' }]);
    await finish(greedy, 'other prompts');
  });
});

test('what a crash of the machine can do to kept texts: damaged ones are decoded again, the others are not', async () => {
  await inFolder(async (folder) => {
    const prompts = await writePrompts(folder, somePrompts(count));
    const whole = join(folder, 'whole.parquet');
    await succeed(command(prompts, whole, ['--mode', 'greedy']));
    const expected = await tableOf(whole);
    const out = join(folder, 'texts.parquet');
    const args = command(prompts, out, ['--mode', 'greedy']);
    const kept = `${out}.unfinished/whole`;
    const log = join(kept, 'rows-1.log');
    const faults: [name: string, damage: () => void, lost: (kept: number, inPart: number) => number][] = [
      ['a line that was half written', () => appendFileSync(log, '0123 {"prom'), () => 0],
      ['a part with a changed byte', () => flip(join(kept, 'part-0.rows')), (_, inPart) => inPart],
      ['a journal that is none', () => writeFileSync(join(kept, 'journal'), 'x'.repeat(100)), (rows) => rows],
      ['an empty log', () => writeFileSync(log, ''), (rows, inPart) => rows - inPart],
    ];
    const left = join(folder, 'left');
    // what the first run keeps becomes a part as soon as the second begins
    for (const rows of [8, 16]) assert.ok((await killedAt(args, { folder: kept, rows })).killed);
    renameSync(`${out}.unfinished`, left);
    for (const [name, damage, lost] of faults) {
      cpSync(left, `${out}.unfinished`, { recursive: true });
      const before = keptRows(kept);
      const inPart = rowsOfPart(kept);
      damage();
      const result = await succeed(args);
      assert.equal([result.rows, result.resumed], [count, before - lost(before, inPart)], name);
      assertSame(await tableOf(out), expected, texts);
      rmSync(out);
    }
    rmSync(left, { recursive: true });
    assert.equal(filesBelow(folder).filter(isKept), []);
  });
});

/** Changes a byte in the middle of a file. */
function flip(file: string): void {
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(file, bytes);
}

function rowsOfPart(kept: string): number {
  const [, line = ''] = readFileSync(join(kept, 'journal'), 'utf8').split('\n');
  return (JSON.parse(line.slice(line.indexOf(' '))) as { rows: number }).rows;
}

test.run();
