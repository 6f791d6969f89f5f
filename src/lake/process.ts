/** Who a process is, as far as others on the machine and beyond it can tell. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { codeOf } from './file-error.js';

const ownerSchema = z.object({
  pid: z.number().int().positive(),
  host: z.string(),
  /** ISO 8601, for people. */
  started: z.string(),
  /** From /proc, null where there is none: which start of the machine, which process namespace, which start of the process. */
  boot: z.string().nullable(),
  namespace: z.string().nullable(),
  tick: z.string().nullable(),
});
export type ProcessIdentity = z.output<typeof ownerSchema>;

/** This process. */
export function ownIdentity(): ProcessIdentity {
  const started = new Date(Date.now() - process.uptime() * 1000).toISOString();
  const { pid } = process;
  return { pid, host: host(), started, boot: bootId(), namespace: namespace(), tick: startTick(pid) };
}

/** The identity that a file's text holds; undefined where it holds none. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/**
 * Whether a process still runs. `unknown` where that can't be seen from here: on another host, or in another container
 * that calls itself the same.
 */
export function stateOf({ pid, host: where, boot, namespace: space, tick }: ProcessIdentity) {
  if (where !== host()) return 'unknown';
  if (boot !== bootId()) return 'gone';
  if (space !== namespace()) return 'unknown';
  if (!isRunning(pid)) return 'gone';
  // the number may have been given to another process since
  return tick === startTick(pid) ? 'running' : 'gone';
}

/** Whether there is a process of that number on this machine, of whichever user. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** The host's name, fit for a file's. */
export function host(): string {
  return hostname().replaceAll(/[^\w.-]/g, '_') || 'host';
}

function bootId(): string | null {
  return ofProc(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
}

function namespace(): string | null {
  return ofProc(() => readlinkSync('/proc/self/ns/pid'));
}

/**
 * When a process started, in ticks since the machine did: field 22 of proc_pid_stat(5). Its name may hold anything. Null
 * also for one that has ended and is not waited for, as in a container whose first process waits for no orphans.
 */
function startTick(pid: number): string | null {
  return ofProc(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? null : (rest[18] ?? null);
  });
}

function ofProc<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
