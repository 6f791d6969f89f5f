import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Sends `signal` once stderr holds `after`. */
export interface Kill {
  after: string;
  signal: NodeJS.Signals;
}

/** Runs the compiled command line in `cwd`, as a user's shell would. */
export function dare(args: readonly string[], cwd: string = packageRoot, kill?: Kill): Promise<Finished> {
  const command = [join(packageRoot, 'dist/src/cli.js'), ...args];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (kill !== undefined && !stderr.includes(kill.after) && (stderr + text).includes(kill.after)) {
        child.kill(kill.signal);
      }
      stderr += text;
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
