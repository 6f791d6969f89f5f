/**
 * What pools cost: bytes a token, building, loading and drafting, on real texts and on as many tokens as are asked for,
 * made of their pieces; and how far the chances of draft nodes can be believed. Texts of one entity in twenty are held out
 * and replayed. Times are the least of several turns: what the machine does besides only adds to them. The last line of
 * stdout is JSON, figures for people go to stderr.
 * usage: npm run -s bench:pools -- [--model DIR] [--texts FILE] [--tokens N,N...]
 * --texts: Parquet with text, entity_type, entity_id, cohort; the model's texts for the sample's prompts if left out
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hashShare } from '../../src/decode/rounds.js';
import { calibrate } from '../../src/draft/calibrate.js';
import { textPages } from '../../src/lake/pages.js';
import { loadTextModel } from '../../src/model/text.js';
import { buildTrie } from '../../src/pool/build.js';
import {
  buildPool,
  defaultMaxLength,
  documentOf,
  everybody,
  PoolBuilder,
  type PoolKey,
  type PoolOwner,
  poolKey,
  poolSettings,
  sharedKey,
} from '../../src/pool/builder.js';
import { encodePool, openPool, readPoolFile } from '../../src/pool/file.js';
import type { Pool } from '../../src/pool/trie.js';
import { type ReplayText, replay } from '../../src/simulate/replay.js';
import { openPools, sourceDrafter } from '../../src/simulate/sources.js';
import type { TextModel } from '../../src/text/tokenizer.js';
import { Reliability } from '../draft/reliability.js';
import { recombine } from './recombine.js';
import { sampleFiles, sampleModel } from './sample.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: sampleModel },
    texts: { type: 'string' },
    tokens: { type: 'string', default: '1000000,10000000' },
    child: { type: 'string' },
  },
});

/** Repetitions of what is timed. */
const turns = 7;

interface Document {
  entityType: string | null;
  cohort: string | null;
  ids: Int32Array;
}

/** What building the pools of all cohorts and the shared one takes, with what is learnt of their texts. */
interface WholeBuild {
  /** Of the texts; each is in two pools. */
  tokens: number;
  pools: number;
  /** As runs build them: by two threads where there is enough to do. */
  beside: Times;
  /** By one thread. */
  alone: Times;
  /** By one thread, without weights and chances. */
  withoutFits: Times;
  /** Million tokens of texts a second, as runs build them. */
  rate: number;
  /** Peak of the process while it builds as runs do, the documents included, less what it held before there were any. */
  bytesPerToken: number;
}

/** The least of several turns each, in milliseconds. */
interface Times {
  wall: number;
  /** Of all threads. */
  cpu: number;
}

interface Texts {
  tokenizer: TextModel;
  /** Pools of the texts that aren't held out. */
  pools: Map<PoolKey, Pool>;
  bytesPerToken: number;
  /** Answers of the pools. */
  documents: Document[];
  held: ReplayText[];
}

/** Of pools made by recombining sentences. */
interface Figures {
  tokens: number;
  whole: WholeBuild;
  bytesPerToken: number;
  /** Million tokens a second of CPU time: building, with encoding. */
  buildRate: number;
  /** Peak of the process while building, the documents included, less what it held before there were any. */
  buildBytesPerToken: number;
  fileMegabytes: number;
  /** Reading the file into memory, and opening it. */
  readMilliseconds: number;
  openMilliseconds: number;
  /** Microseconds: of drafting for an emitted token with 16 nodes; quantiles of one draft with 64. */
  draftMicrosPerToken: number;
  draftMedian: number;
  draft99: number;
}

if (options.child === undefined) await compare();
else process.stdout.write(JSON.stringify(await measure(Number(options.child))));

async function compare(): Promise<void> {
  const texts = options.texts ?? (await sampleFiles(options.model)).texts;
  const { bytesPerToken, held, documents, tokenizer, pools } = await readTexts(texts);
  const reliability = new Reliability();
  reliability.add(held, sourceDrafter(tokenizer, pools, 'mixed'), 16);
  const args = [fileURLToPath(import.meta.url), '--model', options.model, '--texts', texts, '--child'];
  const results = options.tokens.split(',').map((tokens) => {
    const { status, stdout } = spawnSync(process.execPath, ['--expose-gc', ...args, tokens], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (status !== 0) throw new Error(`measuring ${tokens} tokens ended with code ${status}`);
    const figures = JSON.parse(stdout) as Figures;
    process.stderr.write(`${JSON.stringify(figures, null, 2)}\n`);
    return figures;
  });
  const whole = await buildAll(tokenizer, documents, turns, process.memoryUsage.rss());
  const processors = cpus();
  const report = {
    machine: `${processors.length} x ${processors[0]?.model.trim() ?? process.arch}`,
    model: options.model,
    texts: documents.length,
    held: held.length,
    bytesPerToken,
    whole,
    reliability: reliability.tenths,
    date: new Date().toISOString().slice(0, 10),
    command: ['npm run -s bench:pools --', ...process.argv.slice(2)].join(' '),
    results,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

async function readTexts(file: string): Promise<Texts> {
  const tokenizer = loadTextModel(options.model, undefined);
  const builder = new PoolBuilder(poolSettings(tokenizer, defaultMaxLength), calibrate);
  const [held, documents]: [ReplayText[], Document[]] = [[], []];
  for await (const page of textPages([file])) {
    for (const { text, entityType, entityId, cohort } of page) {
      const ids = tokenizer.encodeText(text);
      if (hashShare(JSON.stringify([entityType, entityId])) < 0.05) {
        const answerIds = Int32Array.of(...ids, ...[...tokenizer.endTokens].slice(0, 1));
        held.push({ entityType, cohort, framework: null, promptIds: tokenizer.generationPrompt, answerIds });
      } else {
        builder.add(entityType, cohort, ids, true);
        documents.push({ entityType, cohort, ids: Int32Array.from(ids) });
      }
    }
  }
  const built = [...builder.build()];
  const bytes = built.reduce((sum, pool) => sum + pool.bytes.byteLength, 0);
  const tokens = built.reduce((sum, pool) => sum + pool.metadata.tokens, 0);
  return { tokenizer, pools: openPools(built), bytesPerToken: round(bytes / tokens), documents, held };
}

async function measure(tokens: number): Promise<Figures> {
  const { tokenizer, pools, documents, held } = await readTexts(options.texts as string);
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  forgetPeak();
  const source = {
    tokenizer: tokenizer.fingerprint,
    entityType: null,
    cohort: null,
    maxLength: defaultMaxLength,
    documents: 0,
    tokens,
  };
  const corpus = recombine(
    documents.map(({ ids }) => ids),
    tokens,
  );
  const started = process.cpuUsage();
  const { bytes } = encodePool(buildTrie(corpus, defaultMaxLength), source);
  const building = cpuMilliseconds(started);
  const peak = peakBytes() - before;
  corpus.length = 0;
  const held0 = await settledBytes();
  const repeat = tokens > 2e6 ? 3 : turns;
  const whole = await buildAll(tokenizer, recombineEach(documents, tokens), repeat, held0);
  const folder = mkdtempSync(join(tmpdir(), 'dare-pools-'));
  try {
    const file = join(folder, 'pool.arrow');
    writeFileSync(file, new Uint8Array(bytes));
    const [reading, opening]: [number[], number[]] = [[], []];
    let opened = openPool(bytes, file);
    for (let turn = 0; turn < turns; turn++) {
      const begin = performance.now();
      const read = readPoolFile(file);
      const done = performance.now();
      opened = openPool(read, file);
      reading.push(done - begin);
      opening.push(performance.now() - done);
    }
    return {
      tokens,
      whole,
      bytesPerToken: round(bytes.byteLength / tokens),
      buildRate: round(tokens / 1000 / building),
      buildBytesPerToken: round(peak / tokens),
      fileMegabytes: round(bytes.byteLength / 1e6),
      readMilliseconds: round(Math.min(...reading)),
      openMilliseconds: round(Math.min(...opening)),
      ...timeDrafts(tokenizer, new Map(pools).set(sharedKey, opened.pool), held),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Documents of every cohort, as many tokens of each as its share is. */
function recombineEach(documents: readonly Document[], tokens: number): Document[] {
  const all = tokensOf(documents);
  return groupsOf(documents).flatMap((group) => {
    const { entityType, cohort } = group[0] as Document;
    const ids = group.map((document) => document.ids);
    const share = Math.round((tokens * tokensOf(group)) / all);
    return recombine(ids, share).map((made) => ({ entityType, cohort, ids: made }));
  });
}

function groupsOf(documents: readonly Document[]): Document[][] {
  const groups = new Map<PoolKey, Document[]>();
  for (const document of documents) {
    const key = poolKey(document.entityType, document.cohort);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [document]);
    else group.push(document);
  }
  return [...groups.values()];
}

function tokensOf(documents: readonly Document[]): number {
  return documents.reduce((sum, { ids }) => sum + ids.length, 0);
}

/** @param held bytes of the process before there were documents */
async function buildAll(
  tokenizer: TextModel,
  documents: readonly Document[],
  repeat: number,
  held: number,
): Promise<WholeBuild> {
  const settings = poolSettings(tokenizer, defaultMaxLength);
  const tokens = tokensOf(documents);
  const builder = () => {
    const made = new PoolBuilder(settings, calibrate);
    for (const { entityType, cohort, ids } of documents) made.add(entityType, cohort, ids, true);
    return made;
  };
  forgetPeak();
  // the first turn of all: what later ones leave to be collected isn't counted
  const first = builder();
  const pools = (await first.buildBeside()).length;
  const bytesPerToken = round((peakBytes() - held) / tokens);
  const [beside, alone, withoutFits] = [newTimes(), newTimes(), newTimes()];
  for (let turn = 0; turn < repeat; turn++) {
    const [one, other] = [builder(), builder()];
    await timed(beside, () => one.buildBeside());
    await timed(alone, () => other.build());
    const owned = [...groupsOf(documents), documents].map((group) => {
      const owner: PoolOwner = group === documents ? everybody : (group[0] as Document);
      return [owner, group.map(({ ids }) => documentOf(settings, ids, true))] as const;
    });
    await timed(withoutFits, () => {
      for (const [owner, made] of owned) buildPool(settings, owner, made);
    });
  }
  const rate = round(tokens / 1000 / beside.wall);
  return { tokens, pools, beside, alone, withoutFits, rate, bytesPerToken };
}

function newTimes(): Times {
  return { wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY };
}

/** Keeps the least of what this and earlier turns took. */
async function timed(times: Times, turn: () => unknown): Promise<void> {
  globalThis.gc?.();
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  await turn();
  times.wall = Math.min(times.wall, round(performance.now() - wall));
  times.cpu = Math.min(times.cpu, round(cpuMilliseconds(cpu)));
}

function timeDrafts(tokenizer: TextModel, pools: ReadonlyMap<PoolKey, Pool>, held: readonly ReplayText[]) {
  const drafter = sourceDrafter(tokenizer, pools, 'mixed');
  const passes = Array.from({ length: turns }, () => ({
    narrow: replay(held, drafter, { nodes: 16 }).draftMicrosPerToken ?? 0,
    // the same drafts in every pass
    wide: replay(held, drafter, { nodes: 64 }).draftMicros,
  }));
  const [first, ...others] = passes.map(({ wide }) => wide) as [number[], ...number[][]];
  const drafts = first.map((micros, i) => Math.min(micros, ...others.map((pass) => pass[i] as number)));
  drafts.sort((a, b) => a - b);
  const quantile = (share: number) => round(drafts[Math.floor(share * drafts.length)] as number);
  return {
    draftMicrosPerToken: round(Math.min(...passes.map(({ narrow }) => narrow))),
    draftMedian: quantile(0.5),
    draft99: quantile(0.99),
  };
}

function cpuMilliseconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** What the process holds once garbage is gone: memory of large arrays is given back a while after they are collected. */
async function settledBytes(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc?.();
    await setTimeout(200);
  }
  return process.memoryUsage.rss();
}

/** The next peak is that of what comes from here on. */
function forgetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

/** Linux's own mark: maxRSS of a new process starts at that of its parent. */
function peakBytes(): number {
  const mark = /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(mark) * 1024;
}

function round(value: number): number {
  return Number(value.toFixed(2));
}
