/** The shards of a partition, each in a process of its own on this machine: one for each GPU, or for a share of the cores. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { stopMessage } from '../src/cli/interrupt.js';
import { DareError } from '../src/errors.js';
import type { StageContext } from '../src/stage.js';

const program = fileURLToPath(new URL('../src/cli.js', import.meta.url));

const shardProgress = z.object({ label: z.string(), done: z.number(), total: z.number().nullable() });
type ShardProgress = z.output<typeof shardProgress>;
/** A line of a process's log: how far it is, or something for people. */
const logLine = z.looseObject({
  level: z.string(),
  msg: z.string(),
  /** That a stage began or ended. */
  event: z.string().optional(),
  progress: shardProgress.optional(),
});
/** What a process says at its end: of a failure the sentence, and warnings, which name the shard once they are read here. */
const lastLine = z.looseObject({ error: z.string().optional(), warnings: z.array(z.string()).optional() });
export type ShardResult = z.output<typeof lastLine>;

interface Ended {
  shard: string;
  code: number | null;
  signal: NodeJS.Signals | null;
  result: ShardResult | undefined;
}

/**
 * Runs `dare decode --shard K/N` for all K side by side and waits for all of them: where one fails, the others go on, and
 * what they finish is kept. An abort is passed on to them, and they end when this process is gone.
 * @param options of the command line, beside those that lead to the configuration
 * @returns what each said at its end, in their order
 * @throws inputError or runError with what the first one that failed said
 */
export async function runShards(
  context: StageContext,
  count: number,
  options: readonly string[],
): Promise<ShardResult[]> {
  const { signal, progress } = context;
  progress.start('decode');
  const counters = new Map<string, number>();
  const totals = new Map<string, number>();
  const advance = (shard: string, { done, total }: ShardProgress) => {
    const before = counters.get(shard) ?? 0;
    counters.set(shard, done);
    if (total !== null && !totals.has(shard)) {
      totals.set(shard, total);
      if (totals.size === count) progress.expect([...totals.values()].reduce((sum, one) => sum + one, 0));
    }
    progress.advance(Math.max(0, done - before));
  };
  const shards = Array.from({ length: count }, (_, i) => `${i + 1}/${count}`);
  const ended = await Promise.all(shards.map((shard) => runShard(context, shard, options, advance)));
  signal.throwIfAborted();
  progress.done();
  const failed = ended.filter(({ code }) => code !== 0);
  const [first] = failed;
  if (first === undefined) return ended.map(({ result }) => result ?? {});
  throw new DareError(
    `shard ${first.shard} ${first.result?.error ?? `ended with ${first.signal ?? `exit code ${first.code}`}`}` +
      `${failed.length > 1 ? ` (and ${failed.length - 1} more of ${count} failed)` : ''}`,
    failed.some(({ code }) => code !== 2) ? 1 : 2,
    'What the others finished is kept: run it again, and it goes on behind it.',
  );
}

function runShard(
  { arguments: place = [], log, signal, watch }: StageContext,
  shard: string,
  options: readonly string[],
  advance: (shard: string, progress: ShardProgress) => void,
): Promise<Ended> {
  const command = [program, 'decode', '--shard', shard, ...place, ...options, '--json'];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  // no signal: of a terminal the child has one already, and a second would end it at once
  const stop = () => void child.send(stopMessage, () => undefined);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  let last = '';
  let stageEnded = false;
  createInterface({ input: child.stdout as Readable }).on('line', (line) => {
    last = line;
  });
  createInterface({ input: child.stderr as Readable }).on('line', (line) => {
    const { data } = logLine.safeParse(parsed(line));
    if (data === undefined) log.warn({ shard }, line);
    else if (data.progress !== undefined) {
      if (data.progress.label === 'decode') advance(shard, data.progress);
    } else if (data.event !== undefined) {
      const { level: _, time: __, msg, ...event } = data;
      log.info(event, msg);
      stageEnded = data.event !== 'start';
    } else if (data.level === 'info') log.info({ shard }, data.msg);
    // those of its result come with it, and so does the error; that it was told to stop is known
    else if (data.level === 'warn' && !stageEnded && !signal.aborted) log.warn({ shard }, data.msg);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', stop);
      const result = lastLine.safeParse(parsed(last)).data;
      // another shard may fail: then there is no result of all that holds them
      const warnings = result?.warnings?.map((text) => `shard ${shard}: ${text}`) ?? [];
      for (const warning of warnings) watch?.warn(warning);
      resolve({ shard, code, signal: killedBy, result: result && { ...result, warnings } });
    });
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
