import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { loadStandalone } from '../src/config/load.js';
import { decodeSettings, engineOptions } from '../src/decode/settings.js';
import { inputError } from '../src/errors.js';
import { makeFolder, replaceFile } from '../src/lake/lake.js';
import { loadTextModel } from '../src/model/text.js';
import { costsSummary } from '../src/report/costs.js';
import type { CommandResult, StageTools } from '../src/stage.js';
import { withWorker } from './worker.js';

export interface CostsOptions {
  /** Folder of prepared models and of measured costs, in place of `model.cache`. */
  cache?: string;
  weights?: string;
  concurrency?: string;
  /** `model.key=value` settings. */
  set?: string[];
  /** File for the table. */
  out?: string;
}

/**
 * `dare model costs`: what decode steps of a model cost on this machine, as decoding with these settings weighs drafts by and
 * `dare plan --costs` takes. Measured unless the model cache has it.
 * @throws inputError for wrong settings, and as engines do; runError when the table can't be written
 */
export async function modelCosts(
  path: string,
  tools: StageTools,
  { set = [], out, cache, weights, concurrency }: CostsOptions,
): Promise<CommandResult> {
  const started = performance.now();
  const flags = {
    ...(weights === undefined ? {} : { weights }),
    ...(concurrency === undefined ? {} : { concurrency }),
  };
  refuseOthers(set);
  const config = loadStandalone(set, flags);
  const model = resolve(path);
  const options = engineOptions(model, config);
  const engine = cache === undefined ? options : { ...options, cache: resolve(cache) };
  const tokenizer = loadTextModel(model, engine.cache);
  tools.progress.start('costs');
  const measured = await withWorker(engine, tokenizer, tools.signal, async (worker) => {
    // rules under which decoding needs costs
    worker.use({ ...decodeSettings(config.decode), mode: 'greedy' });
    const { device, slots, fingerprint } = worker;
    return { costs: await worker.costs(), device, slots, fingerprint, weights: worker.weights };
  });
  tools.progress.done();
  const { costs, device, slots, fingerprint } = measured;
  if (costs?.file === undefined) throw new Error('greedy decoding weighs drafts by no costs');
  const { table, source } = costs;
  const file = out === undefined ? costs.file : resolve(out);
  if (out !== undefined) {
    const text = named(readFileSync(costs.file, 'utf8'), basename(model));
    makeFolder(dirname(file));
    await replaceFile(file, 'the cost table could not be written', (temporary) => writeFile(temporary, text));
  }
  return {
    stage: 'model costs',
    path: model,
    device,
    weights: measured.weights,
    concurrency: slots,
    fingerprint,
    file,
    measured: source === 'measured',
    ...table,
    seconds: (performance.now() - started) / 1000,
    warnings: [],
    summary: costsSummary(table, { device, file, measured: source === 'measured' }),
  };
}

/** A table of the cache that also says the model's name, for people. */
function named(text: string, model: string): string {
  const { about, ...table } = JSON.parse(text) as { about: Record<string, unknown> };
  return `${JSON.stringify({ about: { model, ...about }, ...table })}\n`;
}

/** Settings of how texts are decoded change nothing here: whoever gives one expects something else. */
function refuseOthers(set: readonly string[]): void {
  const other = set.find((setting) => !/^(model\.|decode\.concurrency=)/.test(setting));
  if (other === undefined) return;
  throw inputError(
    `--set ${other} changes nothing about what steps cost`,
    'Expected a key under model, or decode.concurrency.',
  );
}
