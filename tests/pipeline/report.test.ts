/** `dare report` on a partition that the pipeline wrote: every figure of the page, and the page in a browser. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Lake } from '../../src/lake/lake.js';
import { dare, resultOf } from '../cli/spawn.js';
import { bytesBelow, inFolder, query } from '../prompts/fixture.js';
import { hasChromium, open, withoutChromium } from '../report/chromium.js';
import { type Figure, figuresOf, textOf } from '../report/fixture.js';
import { smallCatalogue } from './fixture.js';
import { expectedFigures } from './report-figures.js';
import { checkBars, checkLooks, checkMarks, checkPairs, checkTimes } from './report-page.js';

async function report(config: string, ...options: string[]): Promise<Record<string, unknown>> {
  const finished = await dare(['report', '--config', config, '--quiet', ...options]);
  assert.is(finished.code, 0, finished.stderr);
  return resultOf(finished);
}

test('every figure is what a query on the tables says, no table is changed, and missing tables are said to be', () =>
  inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const long = ['--set', 'decode.maxNewTokens=100', '--set', 'decode.nodes=12'];
    // what the pools are made of
    const earlier = ['--partition', '0', '--set', 'decode.mode=greedy'];
    const first = await dare(['run', '--config', config, '--quiet', ...long, ...earlier]);
    assert.is(first.code, 0, first.stderr);
    const run = await dare(['run', '--config', config, '--quiet', ...long]);
    assert.is(run.code, 0, run.stderr);
    const lake = new Lake(join(folder, 'lake'));
    const before = bytesBelow(lake.root);
    const result = await report(config);
    const file = lake.report('a');
    assert.equal([result.stage, result.partition, result.files], ['report', 'a', [file]]);
    assert.equal(result.warnings, []);
    const { stages } = resultOf(run) as { stages: { decode: { tokensPerStep: number } } };
    assert.is(result.tokensPerStep, stages.decode.tokensPerStep, 'tokens a step are one figure');
    const { [relative(lake, file)]: html, ...rest } = Object.fromEntries(bytesBelow(lake.root));
    assert.ok(html?.startsWith('<!doctype html>'));
    assert.equal(rest, Object.fromEntries(before));
    assert.not.match(String(html), /id="evaluation"/, 'left out where there is none');
    // bounds so wide that some texts are others
    const wide = ['decode.topK=8', 'decode.minProb=0.001', 'decode.divergenceBudget=50'];
    const set = [...long, ...wide.flatMap((setting) => ['--set', setting])];
    const evaluated = await dare(['evaluate', '--config', config, '--quiet', '--limit', '8', ...set]);
    assert.is(evaluated.code, 0, evaluated.stderr);
    await report(config);
    const { downstream } = resultOf(evaluated) as { downstream: { statement: string } };
    assert.ok(textOf(readFileSync(file, 'utf8'), 'evaluation').includes(downstream.statement));
    assert.not.match(textOf(readFileSync(file, 'utf8'), 'evaluation'), /other texts since/);
    const page = hasChromium ? await openPage(file) : readFileSync(file, 'utf8');
    if (!hasChromium) withoutChromium();
    await checkFigures(figuresOf(page), lake, folder);
    await checkDrafts(lake);
    checkMarks(page);
    checkPairs(page, lake);
    checkTimes(page);
    checkBars(page);
    if (hasChromium) await checkLooks(file);
    await checkMissing(lake, config, join(folder, 'page.html'));
  }));

const relative = (lake: Lake, file: string) => file.slice(lake.root.length + 1);

/** The page in a browser; with the control that this finds what a page asks for. */
async function openPage(file: string): Promise<string> {
  const opened = await open(file);
  assert.equal([opened.code, opened.asked, opened.console], [0, [], []]);
  const control = join(file, '../_control.html');
  writeFileSync(control, '<img src="http://images.test/a.png"><script>throw new Error("broken")</script>');
  const { asked, console } = await open(control);
  assert.equal(asked, ['http://images.test/a.png']);
  assert.match(console.join(), /Uncaught Error: broken/);
  return opened.dom;
}

/** Names of figures of which the page shows some alone. */
const chosen = /^(trait|relaxed|slowest)\./;

async function checkFigures(figures: readonly Figure[], lake: Lake, folder: string): Promise<void> {
  const expected = await expectedFigures(lake, 'a', folder);
  const seen = new Set<string>();
  for (const { name, key, value } of figures) {
    const id = `${name} ${key}`;
    const right = expected.get(id);
    assert.ok(right !== undefined, `${id}: ${value} on the page, nothing in the tables`);
    assert.ok(
      Math.abs(value - right) <= 1e-9 * Math.abs(right),
      `${id}: ${value} on the page, ${right} in the tables`,
    );
    seen.add(id);
  }
  for (const id of expected.keys()) assert.ok(chosen.test(id) || seen.has(id), `${id} isn't on the page`);
  for (const name of [
    'trait.share ["item"',
    'trait.share ["user"',
    'relaxed.divergence',
    'slowest.decode_steps',
  ])
    assert.ok(
      [...seen].some((id) => id.startsWith(name)),
      name,
    );
  const attributes = figures.flatMap(({ name, key }) =>
    name === 'trait.share' ? [(JSON.parse(key) as string[])[2]] : [],
  );
  assert.ok(new Set(attributes).size > 3, 'traits of several columns are among them');
}

/** What was counted in the loop against what the rows say. */
async function checkDrafts(lake: Lake): Promise<void> {
  const [row] = await query(
    `SELECT sum(drafted_tokens) AS drafted, sum(accepted_tokens) AS accepted,
       any_value(list_sum(m.statistics.byMatch.rows)) AS rows,
       any_value(list_sum(m.statistics.byMatch.accepted)) AS by_match,
       any_value(list_sum(m.statistics.byDepth.accepted)) AS by_depth,
       count(*) FILTER (emitted_tokens > output_tokens) AS ended
     FROM read_parquet($texts), read_json($manifest) AS m`,
    { texts: lake.file('texts', 'a'), manifest: join(lake.dir('texts', 'a'), '_manifest.json') },
  );
  const { drafted, accepted, rows, by_match, by_depth, ended } = row ?? {};
  assert.ok(
    Number(accepted) > 0 && Number(ended) > 0,
    'tokens that are no output tokens are among the figures',
  );
  assert.equal([rows, by_match, by_depth].map(Number), [drafted, accepted, accepted].map(Number));
}

async function checkMissing(lake: Lake, config: string, out: string): Promise<void> {
  rmSync(lake.dir('prompts', 'a'), { recursive: true });
  rmSync(join(lake.dir('texts', 'a'), '_manifest.json'));
  rmSync(join(lake.root, '../ratings.csv'));
  const result = await report(config, '--out', out);
  const page = readFileSync(out, 'utf8');
  const said = result.warnings as string[];
  assert.is(said.length, 3, said.join('\n'));
  for (const [i, expected] of [
    /^the table prompts of the partition: dare prompts writes it$/,
    /^the manifest beside .*texts\.parquet/,
    /^what sets cohorts apart and what items are called: .*ratings\.csv/,
  ].entries()) {
    assert.match(said[i] as string, expected);
    assert.ok(textOf(page, 'missing').includes(said[i] as string));
  }
  assert.match(textOf(page, 'cohorts'), /item-drama/);
  assert.match(textOf(page, 'drafting'), /holds no counts of drafts/);
  assert.match(textOf(page, 'relaxed'), /which tokens were relaxed is not known/);
}

test('a partition without tables, and a table that is broken: refused, and no page is written', () =>
  inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const none = await dare(['report', '--config', config, '--quiet']);
    assert.is(none.code, 2);
    assert.match(none.stderr, /there is nothing to report: .* has no tables of the partition a/);
    const made = await dare(['segment', '--config', config, '--quiet']);
    assert.is(made.code, 0, made.stderr);
    const lake = new Lake(join(folder, 'lake'));
    writeFileSync(lake.file('cohorts', 'a'), 'no Parquet');
    const broken = await dare(['report', '--config', config, '--quiet']);
    assert.is(broken.code, 2);
    assert.match(broken.stderr, /the table .*cohorts\.parquet can't be read/);
    assert.not.ok([...bytesBelow(folder).keys()].some((file) => file.endsWith('.html')));
  }));

test.run();
