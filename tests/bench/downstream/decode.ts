/**
 * Decodes the prompts autoregressively, greedily and relaxed. Every text is held out: half a is drafted from pools of the
 * autoregressive texts of half b, and the other way round.
 * usage: node dist/tests/bench/downstream/decode.js --prompts FILE --model FILE --out FOLDER [--items N] [--users N]
 *   [--set decode.maxNewTokens=128] [--set model.device=webgpu] ...
 *   --prompts  prompts.parquet of downstream/prompts.js
 *   --out      gets autoregressive.parquet, greedy.parquet and relaxed.parquet, the columns of the table texts, and
 *              decoded.json, what decoding says of itself. A run that was stopped goes on where it was
 *   --items, --users  only so many, those with the most events (default: all)
 *   --set      as in dare decode, for all modes
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { decodeStandalone } from '../../../pipeline/decode.js';
import { poolsStandalone } from '../../../pipeline/pools.js';
import type { StageResult } from '../../../src/stage.js';
import { machine } from '../machine.js';
import { runSql } from '../run-sql.js';
import { benchTools } from '../sample.js';

/** Greedy comes last: its texts are the autoregressive ones, it is there for its steps. */
const modes = ['autoregressive', 'relaxed', 'greedy'] as const;
const other = { a: 'b', b: 'a' } as const;
type Half = keyof typeof other;
type Figures = Omit<StageResult, 'files'>;
const halves: Half[] = ['a', 'b'];

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    prompts: text,
    model: text,
    out: text,
    items: { ...text, default: '1000000' },
    users: { ...text, default: '1000000' },
    set: { ...text, multiple: true, default: [] },
  },
});
if (values.prompts === undefined || values.model === undefined || values.out === undefined) {
  throw new Error('--prompts FILE, --model FILE and --out FOLDER are needed');
}
const [prompts, model, out] = [resolve(values.prompts), resolve(values.model), resolve(values.out)];
const tools = benchTools();
const parts = join(out, 'halves');
const partOf = (name: string, half: Half) => join(parts, `${name}-${half}.parquet`);
mkdirSync(parts, { recursive: true });

const { items, users } = values;
refuseOthers(join(parts, 'settings.json'), JSON.stringify({ model, items, users, set: values.set }));
for (const half of halves) {
  await runSql('downstream/sql/half', { prompts, half, items, users, out: partOf('prompts', half) });
}
const decoded: Record<string, Figures[]> = {};
const report = { ...machine(), command: process.argv.slice(2).join(' '), decoded };
for (const mode of modes) {
  decoded[mode] = [];
  for (const half of halves) decoded[mode].push(await decodeHalf(mode, half));
  const [a, b] = [partOf(mode, 'a'), partOf(mode, 'b')];
  await runSql('downstream/sql/joined', { a, b, out: join(out, `${mode}.parquet`) });
  writeFileSync(join(out, 'decoded.json'), `${JSON.stringify(report, null, 1)}\n`);
}
console.log(JSON.stringify(report));

/** A half that an earlier run finished is left as it is. */
async function decodeHalf(mode: (typeof modes)[number], half: Half): Promise<Figures> {
  const texts = partOf(mode, half);
  const described = `${texts}.json`;
  if (existsSync(described)) return JSON.parse(readFileSync(described, 'utf8')) as Figures;
  process.stderr.write(`${mode}, half ${half}\n`);
  const job = { model, mode, prompts: partOf('prompts', half), out: texts, set: values.set };
  const pools = mode === 'autoregressive' ? {} : { pools: await poolsOf(other[half]) };
  const { files: _, ...figures } = await decodeStandalone({ ...job, ...pools }, tools);
  writeFileSync(described, JSON.stringify(figures));
  return figures;
}

/** Pools of the autoregressive texts of a half. */
async function poolsOf(half: Half): Promise<string> {
  const pools = join(parts, `pools-${half}`);
  await poolsStandalone({ texts: partOf('autoregressive', half), tokenizer: model, out: pools }, tools);
  return pools;
}

/** What an earlier run left in the folder must have been made in the same way. */
function refuseOthers(file: string, settings: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') !== settings) {
    throw new Error(`${out} holds texts made with ${readFileSync(file, 'utf8')}: name another folder`);
  }
  writeFileSync(file, settings);
}
