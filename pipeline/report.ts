import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DareError, inputError, messageOf } from '../src/errors.js';
import type { Duck } from '../src/lake/duck.js';
import { interruptOnAbort } from '../src/lake/interrupt.js';
import { makeFolder, removeStale, replaceFile } from '../src/lake/lake.js';
import { readManifest } from '../src/lake/manifest.js';
import { PageSession } from '../src/lake/page-session.js';
import { loadTextModel } from '../src/model/text.js';
import { packageVersion } from '../src/paths.js';
import { page } from '../src/report/page/page.js';
import type {
  CohortRow,
  ComparisonRow,
  DepthRow,
  DivergenceBin,
  DivergenceFigures,
  EndingRow,
  ErrorRow,
  EvaluatedClicks,
  EvaluatedPair,
  EvaluatedTexts,
  Evaluation,
  EvaluationAbout,
  FrameworkRow,
  MatchRow,
  MemberRow,
  PageData,
  PhaseRow,
  RelaxedText,
  SettingRow,
  SlowText,
  StageRow,
  Summary,
  TraitRow,
  WarningRow,
} from '../src/report/page/rows.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { marksOf } from '../src/text/marks.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { type TableStage, tableOfStage } from './freshness.js';
import { openCheckedInputs } from './inputs.js';

const stages = Object.keys(tableOfStage) as TableStage[];

/**
 * Writes the report of a partition: one HTML page that needs nothing else. All its figures come from sql/report. Tables
 * that are missing are said to be; the lake stays as it is, apart from the page itself.
 * @param out the page; `<lake>/texts/partition=P/_report.html` if left out
 * @throws inputError where the partition has no table at all, or a table can't be read; runError where the page can't
 * be written, and the earlier page stays then
 */
export async function report(context: StageContext, out?: string): Promise<StageResult> {
  const started = performance.now();
  const { lake, partition, progress, signal } = context;
  const file = out === undefined ? lake.report(partition) : resolve(out);
  progress.start('report');
  const session = await PageSession.open({});
  const listening = interruptOnAbort(session.duck, signal);
  let data: PageData;
  try {
    data = await collect(session.duck, context);
  } catch (error) {
    // an interrupted query fails with DuckDB's own error
    signal.throwIfAborted();
    throw error;
  } finally {
    listening();
    session.close();
  }
  makeFolder(dirname(file));
  removeStale(dirname(file));
  await replaceFile(file, 'the report could not be written', (temporary) => writeFile(temporary, page(data)));
  progress.done();
  const { texts, tokens_per_step, relaxed_share } = data.summary;
  return {
    stage: 'report',
    partition,
    rows: texts,
    files: [file],
    seconds: (performance.now() - started) / 1000,
    // what is missing is no fault of the report, but whoever reads the log wants to know
    warnings: data.missing,
    tokensPerStep: tokens_per_step,
    relaxedShare: relaxed_share,
    stageWarnings: data.warnings.length,
  };
}

/** Everything that the page shows. */
async function collect(duck: Duck, context: StageContext): Promise<PageData> {
  const missing = await openTables(duck, context);
  missing.push(...(await describeEntities(duck, context)));
  const rows = async <Row>(name: string): Promise<Row[]> => {
    context.signal.throwIfAborted();
    return (await duck.scriptRows(`report/${name}`)) as Row[];
  };
  const [drafted] = await rows<{ texts: number }>('drafted-texts');
  const [tokenizer] = await rows<{ tokenizer: string | null }>('tokenizer');
  const [comparison] = await rows<ComparisonRow>('comparison');
  return {
    partition: context.partition,
    version: packageVersion(),
    missing,
    summary: (await rows<Summary>('summary'))[0] as Summary,
    stages: await rows<StageRow>('stages'),
    phases: await rows<PhaseRow>('phases'),
    settings: await rows<SettingRow>('settings'),
    comparison,
    frameworks: await rows<FrameworkRow>('frameworks'),
    draftedTexts: drafted?.texts,
    depths: await rows<DepthRow>('depths'),
    matches: await rows<MatchRow>('matches'),
    divergence: await rows<DivergenceBin>('divergence'),
    divergenceFigures: (await rows<DivergenceFigures>('divergence-figures'))[0] as DivergenceFigures,
    evaluation: await evaluationOf(duck, context, rows),
    cohorts: await rows<CohortRow>('cohort-sizes'),
    traits: await rows<TraitRow>('cohort-traits'),
    members: await rows<MemberRow>('cohort-members'),
    relaxed: withMarks(await rows<StoredText>('relaxed-texts'), context, tokenizer?.tokenizer, missing),
    slowest: await rows<SlowText>('slowest'),
    endings: await rows<EndingRow>('endings'),
    errors: await rows<ErrorRow>('errors'),
    warnings: await rows<WarningRow>('warnings'),
  };
}

/** Opens the tables of the partition that are there, with their manifests. Returns what isn't there. */
async function openTables(duck: Duck, { lake, partition }: StageContext): Promise<string[]> {
  await duck.script('report/tables');
  const missing: string[] = [];
  for (const [place, stage] of stages.entries()) {
    const table = tableOfStage[stage];
    const manifest = await readManifest(lake.dir(table, partition));
    if (manifest !== undefined) {
      const params = { stage, place, content: JSON.stringify(manifest) };
      await duck.script('report/manifest', { params });
    }
    const path = lake.file(table, partition);
    const there = table === 'pools' ? manifest !== undefined : existsSync(path);
    if (!there) missing.push(`the table ${table} of the partition: dare ${stage} writes it`);
    else if (manifest === undefined)
      missing.push(`the manifest beside ${path}, which says how the table was made`);
    if (there && table !== 'pools') await openTable(duck, table, path);
  }
  if (stages.every((stage) => missing.some((sentence) => sentence.includes(`dare ${stage} writes it`)))) {
    throw inputError(
      `there is nothing to report: ${lake.root} has no tables of the partition ${partition}`,
      'Run dare run, or name another partition (--partition); dare status lists them.',
    );
  }
  return missing;
}

async function openTable(duck: Duck, table: string, path: string): Promise<void> {
  try {
    await duck.script(`report/${table}`, { params: { path } });
  } catch (error) {
    throw inputError(
      `the table ${path} can't be read: ${messageOf(error)}`,
      'Run the stage that writes it again.',
      error,
    );
  }
}

/** What items and users are like, and what they are called, from the inputs as they are now. Returns what isn't known. */
async function describeEntities(duck: Duck, context: StageContext): Promise<string[]> {
  const { inputs, prompts } = context.config;
  try {
    await openCheckedInputs(duck, context, { acceptTypes: true });
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof DareError)) throw error;
    return [`what sets cohorts apart and what items are called: ${error.message}`];
  }
  const items = Object.keys(inputs.items.columns);
  const users = Object.keys(inputs.users?.columns ?? {});
  await duck.script('report/liked', { params: { liked_from: prompts.history.likedFrom } });
  for (const [entityType, columns] of [
    ['item', items],
    ['user', users],
  ] as const) {
    const source = { table: `${entityType}s`, id: `${entityType}_id` };
    for (const [place, column] of columns.entries()) {
      const identifiers = { ...source, column };
      const params = { entity_type: entityType, attribute: column };
      await duck.script('report/traits', { params, identifiers });
      if (entityType === 'item')
        await duck.script('report/liked-traits', { params, identifiers: { column } });
      // the first one that the configuration names is what people call it
      if (place === 0)
        await duck.script('report/labels', { params: { entity_type: entityType }, identifiers });
    }
  }
  return [];
}

/** What dare evaluate found, if it has written its table: nothing is missing without it. */
async function evaluationOf(
  duck: Duck,
  { lake, partition }: StageContext,
  rows: <Row>(name: string) => Promise<Row[]>,
): Promise<Evaluation | undefined> {
  const path = lake.file('evaluation', partition);
  if (!existsSync(path)) return undefined;
  await openTable(duck, 'evaluation', path);
  const manifest = await readManifest(lake.dir('evaluation', partition));
  const params = { content: JSON.stringify(manifest ?? null) };
  const [about] = await duck.scriptRows('report/evaluation-about', { params });
  return {
    texts: await rows<EvaluatedTexts>('evaluation-texts'),
    clicks: await rows<EvaluatedClicks>('evaluation-clicks'),
    pairs: (await duck.scriptRows('report/evaluation-pairs', { params })) as unknown as EvaluatedPair[],
    about: manifest === undefined ? undefined : (about as unknown as EvaluationAbout),
  };
}

type StoredText = Omit<RelaxedText, 'marks'> & {
  output_token_ids: number[];
  /** Null in rows that were taken over from a table of before. */
  relaxed_positions: number[] | null;
};

/** Finds relaxed tokens in their texts: with the tokenizer of the configuration, if it is the one that wrote them. */
function withMarks(
  stored: readonly StoredText[],
  { config }: StageContext,
  tokenizerOfTexts: unknown,
  missing: string[],
): RelaxedText[] {
  let tokenizer: TextModel | undefined;
  try {
    tokenizer = stored.length === 0 ? undefined : loadTextModel(config.model.path, config.model.cache);
  } catch (error) {
    if (!(error instanceof DareError)) throw error;
    missing.push(`which tokens were relaxed: ${error.message}`);
  }
  if (tokenizer !== undefined && tokenizer.fingerprint !== tokenizerOfTexts) {
    // without a manifest it isn't known which they have
    if (tokenizerOfTexts !== undefined)
      missing.push(`which tokens were relaxed: ${config.model.path} has another tokenizer than the texts`);
    tokenizer = undefined;
  }
  const decode = tokenizer === undefined ? undefined : (ids: Int32Array) => tokenizer.decode(ids);
  return stored.map(({ output_token_ids: ids, relaxed_positions: positions, ...row }) => ({
    ...row,
    marks: decode && positions ? marksOf(row.text, ids, positions, decode) : undefined,
  }));
}
