/**
 * Peak resident memory of `dare decode` for 1,000 and for 10,000 prompts, each in a process of its own: it must not
 * grow with the number of prompts. usage: node dist/tests/bench/memory.js [FEW MANY]
 * The sample's prompts are repeated under new ids, with texts of 16 tokens; the pools are built once, from its texts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeStandalone } from '../../pipeline/decode.js';
import { poolsStandalone } from '../../pipeline/pools.js';
import { Duck } from '../../src/lake/duck.js';
import { packageRoot } from '../../src/paths.js';
import { silentProgress } from '../../src/report/progress.js';
import { benchTools, sampleFiles, sampleModel } from './sample.js';

const given = process.argv.slice(2).map(Number);
const counts = given.length === 2 && given.every(Number.isInteger) ? given : [1_000, 10_000];
const [role, prompts, pools, out] = process.argv.slice(2);
if (role === 'decode' && prompts !== undefined && pools !== undefined && out !== undefined) {
  await decodeAndReport(prompts, pools, out);
} else {
  await compare();
}

interface Peak {
  prompts: number;
  seconds: number;
  peakMiB: number;
}

async function compare(): Promise<void> {
  const sample = await sampleFiles(sampleModel);
  const folder = mkdtempSync(join(tmpdir(), 'dare-memory-'));
  try {
    const pools = join(folder, 'pools');
    await poolsStandalone({ texts: sample.texts, tokenizer: sampleModel, out: pools }, benchTools());
    const peaks: Peak[] = [];
    for (const count of counts) {
      const file = join(folder, `prompts-${count}.parquet`);
      await repeatPrompts(sample.prompts, count, file);
      const peak = decodeApart(file, pools, join(folder, 'texts.parquet'));
      process.stderr.write(`${count} prompts: ${peak.peakMiB} MiB, ${peak.seconds} s\n`);
      peaks.push(peak);
    }
    const [few, many] = peaks as [Peak, Peak];
    const ratio = Number((many.peakMiB / few.peakMiB).toFixed(3));
    process.stdout.write(`${JSON.stringify({ peaks, ratio })}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function repeatPrompts(from: string, rows: number, out: string): Promise<void> {
  const duck = await Duck.open();
  try {
    const sql = readFileSync(join(packageRoot, 'tests/bench/repeat-prompts.sql'), 'utf8');
    await duck.run(sql, { prompts: from, rows, out });
  } finally {
    duck.close();
  }
}

function decodeApart(prompts: string, pools: string, out: string): Peak {
  const self = fileURLToPath(import.meta.url);
  const { status, stdout } = spawnSync(process.execPath, [self, 'decode', prompts, pools, out], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`decoding ${prompts} ended with code ${status}`);
  return JSON.parse(stdout) as Peak;
}

async function decodeAndReport(prompts: string, pools: string, out: string): Promise<void> {
  const tools = { ...benchTools(), progress: silentProgress };
  const set = ['decode.maxNewTokens=16'];
  const result = await decodeStandalone({ model: sampleModel, prompts, pools, out, set }, tools);
  const seconds = Number(result.seconds.toFixed(1));
  process.stdout.write(JSON.stringify({ prompts: result.rows, seconds, peakMiB: peakMiB() }));
}

/** Linux's own mark where there is one: maxRSS of a new process there starts at that of its parent. */
function peakMiB(): number {
  const status = '/proc/self/status';
  const mark = existsSync(status) ? /VmHWM:\s*(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1] : undefined;
  const kibibytes = mark === undefined ? process.resourceUsage().maxRSS : Number(mark);
  return Number((kibibytes / 1024).toFixed(1));
}
