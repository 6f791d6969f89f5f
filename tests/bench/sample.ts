/** What the benchmarks decode when they are given nothing: the prompts of data-samples and texts for the pools. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from '../../pipeline/decode.js';
import { prompts } from '../../pipeline/prompts.js';
import { segment } from '../../pipeline/segment.js';
import { loadConfig } from '../../src/config/load.js';
import { defaultModelCache } from '../../src/decode/settings.js';
import { Lake } from '../../src/lake/lake.js';
import { prepareModel } from '../../src/model/prepare.js';
import { packageRoot } from '../../src/paths.js';
import { createLog } from '../../src/report/log.js';
import { createProgress } from '../../src/report/progress.js';
import { Screen } from '../../src/report/screen.js';
import type { StageContext, StageTools } from '../../src/stage.js';

export const sampleModel = join(packageRoot, 'data-samples/model');
/** Files of the benchmarks that may be removed at any time. */
export const benchCache = join(packageRoot, 'node_modules/.cache/dare-bench');

const partition = 'bench';
/** What the sample's prompts and texts depend on, the model and the decoder's code aside. */
const sources = [
  'data-samples/dare.yaml',
  'data-samples/movies.csv',
  'data-samples/ratings.csv.gz',
  'sql/inputs',
  'sql/segment',
  'sql/prompts',
];

export interface SampleFiles {
  prompts: string;
  texts: string;
}

/** Logging and progress on stderr for a stage that runs within a benchmark. */
export function benchTools(): StageTools {
  const screen = new Screen(process.stderr);
  const log = createLog(screen, { json: false, level: 'warn' });
  const progress = createProgress({ screen, line: (text) => screen.line(text) });
  return { log, progress, signal: new AbortController().signal };
}

/**
 * KAR prompts of all items and users of the sample and the model's texts for them, made once a model and sample.
 * The texts are decoded greedily from drafts: the same as autoregressively, sooner.
 */
export async function sampleFiles(model: string): Promise<SampleFiles> {
  const context = sampleContext(model);
  const prompts = await promptsOf(context);
  const texts = context.lake.file('texts', partition);
  if (!existsSync(texts)) await decode(context);
  return { prompts, texts };
}

/** KAR prompts of all items and users of the sample, made once. */
export function samplePrompts(): Promise<string> {
  return promptsOf(sampleContext(sampleModel));
}

function sampleContext(model: string): StageContext {
  const { fingerprint } = prepareModel(model, defaultModelCache());
  const lake = new Lake(join(benchCache, `${fingerprint.slice(0, 16)}-${sampleFingerprint()}`));
  const overrides = ['prompts.frameworks=[kar]', 'decode.mode=greedy'];
  const loaded = loadConfig(join(packageRoot, 'data-samples/dare.yaml'), overrides, { partition });
  const config = { ...loaded, lake: lake.root, model: { ...loaded.model, path: model } };
  return { ...benchTools(), config, lake, partition };
}

async function promptsOf(context: StageContext): Promise<string> {
  const file = context.lake.file('prompts', partition);
  if (existsSync(file)) return file;
  await segment(context);
  await prompts(context);
  return file;
}

function sampleFingerprint(): string {
  const hash = createHash('sha256');
  for (const file of sources.flatMap(filesUnder)) {
    hash.update(`${file}\0`);
    hash.update(readFileSync(join(packageRoot, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** A file itself, or the files in a folder, by name. */
function filesUnder(path: string): string[] {
  const absolute = join(packageRoot, path);
  if (!statSync(absolute).isDirectory()) return [path];
  return readdirSync(absolute, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((file) => statSync(join(packageRoot, file)).isFile())
    .sort();
}
