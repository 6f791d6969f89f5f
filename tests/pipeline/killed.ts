/** `dare decode` killed at a moment of the test's choosing, and what it left. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listFolder } from '../../src/lake/folder.js';
import { commandLine } from '../cli/spawn.js';

/** The seed of a test's random moments: that of the environment (`SEED`), to see a failure again, else another each time. */
export function someSeed(): number {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  console.log(`note: SEED=${seed}`);
  return seed;
}

/** Numbers in [0, 1) that a seed decides: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** When to kill: so many milliseconds after the start, or as soon as the folder of kept texts holds so many bytes or rows. */
export type Moment =
  | { milliseconds: number }
  | { folder: string; bytes: number }
  | { folder: string; rows: number };

/** Runs `dare`, and kills it with SIGKILL at the moment. Whether it was still running, and what it said. */
export function killedAt(
  args: readonly string[],
  moment: Moment,
): Promise<{ killed: boolean; code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...commandLine, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
    }
    const kill = () => child.kill('SIGKILL');
    const timer =
      'milliseconds' in moment
        ? setTimeout(kill, moment.milliseconds)
        : setInterval(() => {
            if (isReached(moment)) kill();
          }, 3);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearInterval(timer);
      resolve({ killed: signal === 'SIGKILL', code, ...said });
    });
  });
}

/** Rows that the folder of a run holds, counted from its files alone: those of the parts, and whole lines of the log. */
export function keptRows(folder: string): number {
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1);
    } catch (error) {
      // a run that ends meanwhile takes its files away
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  };
  const parts = read('journal')
    .map((line) => JSON.parse(line.slice(line.indexOf(' '))) as { part?: number; rows?: number })
    .filter(({ part }) => part !== undefined);
  const closed = new Set(parts.map(({ part }) => `rows-${part}.log`));
  const logs = listFolder(folder).filter((name) => /^rows-\d+\.log$/.test(name) && !closed.has(name));
  const inParts = parts.reduce((sum, { rows = 0 }) => sum + rows, 0);
  return logs.reduce((sum, name) => sum + read(name).length, inParts);
}

function isReached(moment: Exclude<Moment, { milliseconds: number }>): boolean {
  return 'rows' in moment ? keptRows(moment.folder) >= moment.rows : bytesIn(moment.folder) >= moment.bytes;
}

/** Bytes of the files in a folder; 0 where there is none. */
export function bytesIn(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
