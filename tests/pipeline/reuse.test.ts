/** Texts that are taken over: a refresh decodes what changed, and nothing else. */
import { cpSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dare, resultOf } from '../cli/spawn.js';
import { assertUntouched, bytesBelow, inFolder, readTable } from '../prompts/fixture.js';
import { smallCatalogue } from './fixture.js';

type Row = Record<string, unknown>;

const table = (folder: string, name: string, partition: string) =>
  join(folder, `lake/${name}/partition=${partition}/${name}.parquet`);

async function succeed(config: string, args: readonly string[]): Promise<{ result: Row; stderr: string }> {
  const finished = await dare([...args, '--config', config]);
  assert.is(finished.code, 0, finished.stderr);
  return { result: resultOf(finished), stderr: finished.stderr };
}

/** Replaces the first `from` of a CSV file. */
function edit(file: string, from: string | RegExp, to: string): void {
  const content = readFileSync(file, 'utf8');
  const changed = content.replace(from, to);
  assert.is.not(changed, content, `${file} has ${from}`);
  writeFileSync(file, changed);
}

/** Column of a table by prompt_id. */
async function byPrompt(file: string, column: string): Promise<Map<string, unknown>> {
  return new Map((await readTable(file)).map((row) => [String(row.prompt_id), row[column]]));
}

test('a title, a rating, a new user: just the rows whose prompts changed are decoded, within a partition and across', () =>
  inFolder(async (folder) => {
    const { config, prompts } = smallCatalogue(folder);
    const first = await succeed(config, ['run', '--quiet']);
    assert.is(first.result.takenOver, undefined);
    const before = await readTable(table(folder, 'texts', 'a'));
    const promptsBefore = await byPrompt(table(folder, 'prompts', 'a'), 'prompt');
    assert.ok(before.every((row) => /^[0-9a-f]{64}$/.test(String(row.text_key))));

    const movies = join(folder, 'movies.csv');
    const [, title] = (readFileSync(movies, 'utf8').split('\n')[1] as string).split(',');
    edit(movies, `,${title},`, `,${title} Again,`);
    edit(join(folder, 'ratings.csv'), ',5,', ',1,');
    const ratings = join(folder, 'ratings.csv');
    const [movie] = (readFileSync(movies, 'utf8').split('\n')[2] as string).split(',');
    writeFileSync(ratings, `${readFileSync(ratings, 'utf8')}99999,${movie},5,2024-01-01\n`);

    cpSync(join(folder, 'lake'), join(folder, 'kept-lake'), { recursive: true });
    for (const partition of ['a', 'b']) {
      const { result, stderr } = await succeed(config, ['run', '--partition', partition]);
      const now = await readTable(table(folder, 'texts', partition));
      const promptsNow = await byPrompt(table(folder, 'prompts', partition), 'prompt');
      const changed = new Set(
        [...promptsNow].flatMap(([id, prompt]) => (promptsBefore.get(id) === prompt ? [] : [id])),
      );
      assert.ok(changed.size >= 3 && changed.size < prompts / 2, `${changed.size} prompts changed`);
      assert.ok(changed.has('kar:user:99999'));
      const old = new Map(before.map((row) => [row.prompt_id, row]));
      let tokens = 0;
      for (const row of now) {
        if (changed.has(String(row.prompt_id))) tokens += row.output_tokens as number;
        else assert.equal(textOf(row), textOf(old.get(row.prompt_id) as Row));
      }
      assert.match(stderr, `texts     ${changed.size} decoded (relaxed), ${tokens} tokens; `);
      assert.match(stderr, `${now.length - changed.size} taken over from earlier tables`);
      assert.is(result.rows, 71);
      // the other partition starts from the tables of before
      if (partition === 'a')
        cpSync(join(folder, 'kept-lake'), join(folder, 'lake'), { recursive: true, force: true });
    }
  }));

/** What is taken over of a row: all but whom it is about. */
function textOf({ entity_type: _type, entity_id: _id, framework: _of, cohort: _cohort, ...text }: Row): Row {
  return text;
}

test('settings that decide texts, decode.reuse off and strict', () =>
  inFolder(async (folder) => {
    const { config, prompts } = smallCatalogue(folder);
    for (const stage of ['segment', 'prompts']) await succeed(config, [stage, '--quiet']);
    const decode = async (partition: string, ...set: string[]) => {
      const settings = set.flatMap((one) => ['--set', one]);
      const { result } = await succeed(config, ['decode', '--quiet', '--partition', partition, ...settings]);
      assert.is(result.rows, prompts);
      return result.takenOver;
    };
    const short = 'decode.maxNewTokens=3';
    assert.is(await decode('a', short), 0);
    assert.is(await decode('a', short, 'decode.concurrency=3'), prompts);
    assert.is(await decode('a', short, 'decode.reuse=off'), 0);
    for (const stage of ['segment', 'prompts', 'pools'])
      await succeed(config, [stage, '--quiet', '--partition', 'b']);
    assert.is(await decode('b', short, 'decode.reuse=strict'), 0, 'other pools');
    assert.is(await decode('b', short, 'decode.reuse=strict'), prompts, 'the same pools');
    withOtherCosts(join(folder, 'lake/texts/partition=b/_manifest.json'));
    assert.is(await decode('b', short, 'decode.reuse=strict'), 0, 'other costs');
    assert.is(await decode('b', short, 'decode.reuse=strict'), prompts, 'the same costs');
    assert.is(await decode('b', short, 'decode.minProb=0.3'), 0);
    assert.is(await decode('b', short), prompts, 'the earlier partition has them');
    assert.is(await decode('b', short, 'decode.mode=greedy'), 0);
    assert.is(await decode('b', short, 'decode.mode=autoregressive'), prompts);
    assert.is(
      await decode('b', short, 'decode.mode=greedy', 'decode.reuse=strict'),
      prompts,
      'pools mean nothing',
    );
    const status = await succeed(config, [
      'status',
      '--quiet',
      '--partition',
      'b',
      '--set',
      'decode.reuse=strict',
    ]);
    const texts = (status.result.tables as Row[]).find((row) => row.table === 'texts');
    assert.match(JSON.stringify(texts), /the table pools is new/);
  }));

/** Doubles the milliseconds of the cost table that a partition's texts are made by: as of another machine. */
function withOtherCosts(file: string): void {
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { costs: { milliseconds: number[][] } };
  manifest.costs.milliseconds = manifest.costs.milliseconds.map((line) => line.map((value) => 2 * value));
  writeFileSync(file, JSON.stringify(manifest));
}

test('an earlier table that is broken stops the stage, and everything stays as it was', () =>
  inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const short = ['--quiet', '--set', 'decode.maxNewTokens=2'];
    await succeed(config, ['run', ...short]);
    for (const stage of ['segment', 'prompts']) await succeed(config, [stage, '--quiet', '--partition', 'b']);
    const texts = table(folder, 'texts', 'a');
    truncateSync(texts, Math.floor(readFileSync(texts).length / 2));
    const before = bytesBelow(join(folder, 'lake/texts'));
    const broken = await dare(['decode', '--config', config, '--partition', 'b', ...short]);
    assert.is(broken.code, 2);
    assert.match(broken.stderr, `the earlier texts ${texts} can't be read`);
    assertUntouched(join(folder, 'lake/texts'), before);
    assert.not.ok(existsSync(table(folder, 'texts', 'b')));
    const without = await dare([
      'decode',
      '--config',
      config,
      '--partition',
      'b',
      ...short,
      '--set',
      'decode.reuse=off',
    ]);
    assert.is(without.code, 0, without.stderr);
  }));

test.run();
