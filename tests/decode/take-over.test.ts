import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { takeOver } from '../../src/decode/take-over.js';
import { KeptRows } from '../../src/lake/kept-rows.js';
import type { PromptRow } from '../../src/lake/pages.js';
import { type SortOptions, sortInto } from '../../src/lake/sort.js';
import { FeatureWriter, type TextRow } from '../../src/lake/writer.js';
import { errorOf, inFolder, query, readTable, writeTable } from '../prompts/fixture.js';

const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
const { signal } = new AbortController();

function text(promptId: string, key: string | null, written: string): TextRow {
  return {
    promptId,
    entityType: 'item',
    entityId: 'old',
    framework: 'old',
    cohort: 'old',
    text: written,
    outputTokenIds: [1, 2],
    vector: [0.5],
    finishReason: 'stop',
    promptTokens: 3,
    outputTokens: 2,
    emittedTokens: 3,
    decodeSteps: 1,
    draftedTokens: 0,
    acceptedTokens: 0,
    relaxedTokens: 0,
    relaxedPositions: [1],
    divergence: 0,
    nearTies: 0,
    poolVersion: 'v',
    round: 2,
    error: key === null ? 'failed' : null,
    textKey: key,
    ended: true,
    takenOver: false,
  };
}

function prompt(promptId: string): PromptRow {
  const about = { entityType: 'user', entityId: `e${promptId}`, framework: 'kar', cohort: 'new' };
  return { row: 0, promptId, ...about, prompt: 'p', messages: null };
}

async function writeTexts(
  folder: string,
  name: string,
  rows: readonly TextRow[],
  options: SortOptions = {},
): Promise<string> {
  const part = join(folder, `${name}.part`);
  const writer = await FeatureWriter.open(part);
  for (const row of rows) await writer.append(row);
  await writer.close();
  await sortInto([part], join(folder, `${name}.parquet`), options);
  return join(folder, `${name}.parquet`);
}

/** Takes texts over and returns the kept rows by prompt_id. */
async function taken(
  folder: string,
  prompts: readonly { promptId: string; key: string }[],
  earlier: readonly string[],
  options: { mayEnd?: boolean; partBytes?: number } = {},
): Promise<Map<string, Record<string, unknown>>> {
  const rows = await KeptRows.open(join(folder, 'kept'), { run: 'r' }, log);
  const keys = new Map(prompts.map(({ promptId, key }) => [promptId, key]));
  const count = await takeOver({
    prompts: (async function* () {
      yield prompts.map(({ promptId }) => prompt(promptId));
    })(),
    keyOf: ({ promptId }) => keys.get(promptId) as string,
    earlier,
    mayEnd: options.mayEnd ?? true,
    rows,
    partBytes: options.partBytes ?? 1 << 20,
    signal,
  });
  assert.is(rows.rows, count);
  const found = new Map<string, Record<string, unknown>>();
  for (const part of await rows.close()) {
    for (const row of await readTable(part)) {
      assert.not.ok(found.has(String(row.prompt_id)), 'each prompt once');
      found.set(String(row.prompt_id), row);
    }
  }
  await rows.remove();
  return found;
}

test('a text of a first round is one of the run, but not where another prompt has the same text', () =>
  inFolder(async (folder) => {
    const texts = await writeTexts(folder, 'first', [text('p', 'k', 'one')], { inTheMaking: true });
    const prompts = ['p', 'q'].map((promptId) => ({ promptId, key: 'k' }));
    const rows = await taken(folder, prompts, [texts]);
    const of = (id: string) => [rows.get(id)?.text, rows.get(id)?.emitted_tokens, rows.get(id)?.taken_over];
    assert.equal(
      [of('p'), of('q')],
      [
        ['one', 3, false],
        ['one', 3, true],
      ],
    );
    const own = { ...text('p', 'k', 'one'), takenOver: true };
    const older = await writeTexts(folder, 'older', [own], { inTheMaking: true });
    assert.is((await taken(folder, prompts, [older])).get('p')?.taken_over, true, 'it was taken over itself');
    const table = await writeTexts(folder, 'table', [text('p', 'k', 'one')]);
    const { emitted_tokens, taken_over } = (await taken(folder, prompts, [table])).get('p') ?? {};
    assert.equal([emitted_tokens, taken_over], [3, true], 'an earlier table');
  }));

test('each prompt gets the text of the first table that has its key, its own before others (property)', () =>
  inFolder(async (folder) => {
    const id = fc.integer({ min: 0, max: 11 }).map((n) => `p${n}`);
    const key = fc.constantFrom('k0', 'k1', 'k2', 'k3');
    const table = fc.uniqueArray(fc.record({ promptId: id, key: fc.option(key, { freq: 5 }) }), {
      selector: ({ promptId }) => promptId,
      maxLength: 12,
    });
    const wanted = fc.uniqueArray(fc.record({ promptId: id, key }), { selector: ({ promptId }) => promptId });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(table, { minLength: 1, maxLength: 3 }), wanted, async (tables, prompts) => {
        run++;
        const files: string[] = [];
        for (const [nth, rows] of tables.entries()) {
          const written = rows.map((row) => text(row.promptId, row.key, `${nth} ${row.promptId}`));
          files.push(await writeTexts(folder, `t${run}-${nth}`, written));
        }
        const expected = new Map<string, string>();
        for (const { promptId, key: ownKey } of prompts) {
          const equal = tables.flatMap((rows, nth) =>
            [...rows]
              .sort((a, b) => (a.promptId < b.promptId ? -1 : 1))
              .filter((row) => row.key === ownKey)
              .map((row) => ({ nth, ...row })),
          );
          const best = equal.find((row) => row.promptId === promptId) ?? equal[0];
          if (best !== undefined) expected.set(promptId, `${best.nth} ${best.promptId}`);
        }
        // parts of a few rows: bounds between them matter
        const found = await taken(folder, prompts, files, { partBytes: 1000 });
        const texts = [...found].map(([promptId, row]) => `${promptId}: ${row.text}`);
        assert.equal(texts.sort(), [...expected].map(([promptId, own]) => `${promptId}: ${own}`).sort());
      }),
      { numRuns: 25 },
    );
  }));

test('the row is about the prompt, and says how its text was made', () =>
  inFolder(async (folder) => {
    const file = await writeTexts(folder, 't', [text('a', 'k', 'written')]);
    const found = await taken(folder, [{ promptId: 'b', key: 'k' }], [file]);
    const { vector, output_token_ids, relaxed_positions, ...row } = found.get('b') ?? {};
    assert.equal([vector, output_token_ids, relaxed_positions], [[0.5], [1, 2], [1]]);
    assert.equal(row, {
      prompt_id: 'b',
      entity_type: 'user',
      entity_id: 'eb',
      framework: 'kar',
      cohort: 'new',
      text: 'written',
      finish_reason: 'stop',
      prompt_tokens: 3,
      output_tokens: 2,
      emitted_tokens: 3,
      decode_steps: 1,
      drafted_tokens: 0,
      accepted_tokens: 0,
      relaxed_tokens: 0,
      divergence: 0,
      near_ties: 0,
      pool_version: 'v',
      round: 2,
      error: null,
      text_key: 'k',
      ended: true,
      taken_over: true,
    });
    const stopped = await taken(folder, [{ promptId: 'b', key: 'k' }], [file], { mayEnd: false });
    assert.is(stopped.get('b')?.ended, false, 'a stop string may have ended it');
  }));

test('a table of before relaxed positions and emitted tokens were noted: its texts are taken over without', () =>
  inFolder(async (folder) => {
    const file = await writeTexts(folder, 't', [text('a', 'k', 'written')]);
    const older = join(folder, 'older.parquet');
    const sql = `COPY (SELECT * EXCLUDE (relaxed_positions, emitted_tokens) FROM read_parquet($file)) TO $older`;
    await query(sql, { file, older });
    const found = await taken(folder, [{ promptId: 'b', key: 'k' }], [older]);
    const { text: written, relaxed_positions, emitted_tokens } = found.get('b') ?? {};
    assert.equal([written, relaxed_positions, emitted_tokens], ['written', null, null]);
  }));

test('many prompts of one text are looked up, not joined with each other', () =>
  inFolder(async (folder) => {
    const ids = Array.from({ length: 3000 }, (_, n) => `p${n}`);
    const file = await writeTexts(
      folder,
      't',
      ids.map((id) => text(id, 'k', id)),
    );
    const prompts = ids.map((promptId) => ({ promptId: `${promptId}x`, key: 'k' }));
    const found = await taken(folder, prompts, [file], { partBytes: 100_000 });
    assert.is(found.size, 3000);
    assert.equal(new Set([...found.values()].map((row) => row.text)), new Set(['p0']));
  }));

test('tables of before there were keys have nothing, those that are no tables are named', () =>
  inFolder(async (folder) => {
    const old = join(folder, 'old.parquet');
    await writeTable(old, { prompt_id: 'VARCHAR', text: 'VARCHAR', error: 'VARCHAR' }, [
      { prompt_id: 'a', text: 't' },
    ]);
    const wanted = [{ promptId: 'a', key: 'k' }];
    assert.is((await taken(folder, wanted, [old])).size, 0);
    const good = await writeTexts(folder, 'good', [text('a', 'k', 't')]);
    assert.is((await taken(folder, wanted, [old, good])).size, 1);
    const broken = join(folder, 'broken.parquet');
    await query('copy (select 1 as x) to $broken (format csv)', { broken });
    const error = await errorOf(() => taken(folder, wanted, [good, broken]));
    assert.is(error.exitCode, 2);
    assert.match(error.message, `the earlier texts ${broken} can't be read`);
  }));

test.run();
