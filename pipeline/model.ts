import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { defaultModelCache } from '../src/decode/settings.js';
import { inspectModel } from '../src/model/inspect.js';
import { cpuWeights } from '../src/model/linear.js';
import { prepareInThread } from '../src/model/prepare-thread.js';
import { modelSummary } from '../src/report/model.js';
import type { CommandResult, StageTools } from '../src/stage.js';

/** `dare model inspect`: what a model is, what it needs, whether it is supported. Computes nothing. */
export function inspect(path: string, cache: string = defaultModelCache()): CommandResult {
  const report = inspectModel(resolve(path), resolve(cache));
  return { stage: 'model inspect', ...report, warnings: [], summary: modelSummary(report) };
}

export interface ImportOptions {
  cache?: string;
  /** As the user wrote it; float32 if left out. */
  weights?: string;
}

/** `dare model import`: prepares a model in the cache, so that decoding starts at once. */
export async function importModel(
  path: string,
  tools: StageTools,
  { cache = defaultModelCache(), weights = 'float32' }: ImportOptions = {},
): Promise<CommandResult> {
  const started = performance.now();
  const job = { path: resolve(path), cache: resolve(cache), weights: cpuWeights(weights) };
  const known = existsSync(job.cache) ? readdirSync(job.cache) : [];
  tools.progress.start('model');
  const { graphFile, fingerprint } = await prepareInThread(job, tools.signal);
  tools.progress.done();
  const folder = dirname(graphFile);
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  const cached = known.some((name) => join(job.cache, name) === folder);
  return {
    stage: 'model import',
    path: job.path,
    folder,
    fingerprint,
    bytes,
    cached,
    seconds: (performance.now() - started) / 1000,
    warnings: [],
    summary: `${cached ? 'was prepared already' : 'prepared'} in ${folder} (${(bytes / 2 ** 20).toFixed(1)} MiB)`,
  };
}
