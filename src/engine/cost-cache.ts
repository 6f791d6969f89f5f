/** Cost tables are measured once for a machine and model, and kept in the model cache. */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { DareError } from '../errors.js';
import { cacheError } from '../model/cache-folder.js';
import { packageRoot } from '../paths.js';
import { type CostTable, parseCostTable } from './cost-table.js';
import { measureCosts } from './measure-costs.js';
import type { EngineOptions, OpenedEngine } from './open.js';

export interface MeasuredCosts {
  table: CostTable;
  /** The file that holds it. */
  file: string;
  /** Whether it was measured just now. */
  fresh: boolean;
}

/** Raised whenever steps take other times, or are measured in another way. */
const costVersion = 8;

/**
 * What an engine's steps cost, from the folder `costs` of the model cache; measured where there is no file of this machine,
 * model, weight type, number of slots and version, or none that can be read. All slots must be free.
 * Throws runError when it can't be written there; rejects as the engine's steps do.
 */
export async function engineCosts(
  { engine, hardware, weights }: OpenedEngine,
  { cache, threads }: Pick<EngineOptions, 'cache' | 'threads'>,
): Promise<MeasuredCosts> {
  const { fingerprint, slots } = engine;
  const about = { hardware, processor: processor(), threads, fingerprint, weights, slots, ...versions() };
  const name = createHash('sha256').update(JSON.stringify(about)).digest('hex').slice(0, 32);
  const file = join(cache, 'costs', `${name}.json`);
  const known = readTable(file);
  if (known !== undefined) return { table: known, file, fresh: false };
  const table = rounded(await measureCosts(engine, hardware === 'cpu'));
  try {
    mkdirSync(join(cache, 'costs'), { recursive: true });
    const others = keep(file, `${JSON.stringify({ about, ...table })}\n`);
    return others === undefined ? { table, file, fresh: true } : { table: others, file, fresh: false };
  } catch (error) {
    throw cacheError(error, file);
  }
}

/** Undefined where there is none, or one that was cut off: it is measured again then. */
function readTable(file: string): CostTable | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return parseCostTable(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof DareError) return undefined;
    throw cacheError(error, file);
  }
}

/**
 * Writes the file, whole or not at all, unless another process has meanwhile: the first table counts, so that runs side by
 * side weigh drafts alike. Returns the other's where there is one. On a file system without links two that write in the
 * same moment may each keep their own.
 */
function keep(file: string, text: string): CostTable | undefined {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, text);
    if (isLinked(temporary, file)) return undefined;
    const others = readTable(file);
    if (others === undefined) renameSync(temporary, file);
    return others;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** False where there is a file already, or the file system has no links. */
function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Nanoseconds are noise, and unreadable. */
function rounded({ batch, rows, milliseconds, padding = 0, ...others }: CostTable): CostTable {
  const times = milliseconds.map((line) => line.map((value) => Math.max(0.001, Number(value.toFixed(3)))));
  return { batch, rows, milliseconds: times, padding: Number(padding.toFixed(5)), ...others };
}

function processor(): string {
  const all = cpus();
  return `${all.length} x ${all[0]?.model.trim() ?? process.arch}`;
}

/** Our own version and those of the libraries that run the models. */
function versions(): Record<string, string | number> {
  const { version, dependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
    dependencies: Record<string, string>;
  };
  const { 'onnxruntime-node': onnxruntime = '', webgpu = '' } = dependencies;
  return { costVersion, dare: version, onnxruntime, webgpu };
}
