import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';
import { brief } from '../brief.js';

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What Node runs for `dare`. */
export const commandLine: readonly string[] = [...brief, join(packageRoot, 'dist/src/cli.js')];

/** Sends `signal` once stderr holds `after`, all of them. */
export interface Kill {
  after: string | readonly string[];
  signal: NodeJS.Signals;
  /** To all processes that it has started too, as a terminal does. */
  toAll?: boolean;
}

/** Runs the compiled command line in `cwd`, as a user's shell would. */
export function dare(args: readonly string[], cwd: string = packageRoot, kill?: Kill): Promise<Finished> {
  const command = [...commandLine, ...args];
  return new Promise((resolve, reject) => {
    const { after = [], signal, toAll = false } = kill ?? {};
    const child = spawn(process.execPath, command, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: toAll,
    });
    const awaited = new Set([after].flat());
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (awaited.size === 0) return;
      for (const part of awaited) if (stderr.includes(part)) awaited.delete(part);
      if (awaited.size === 0) process.kill(toAll ? -(child.pid as number) : (child.pid as number), signal);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** The last line of stdout as JSON; fails when it is none. */
export function resultOf({ stdout }: Finished): Record<string, unknown> {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(line) as Record<string, unknown>;
}
