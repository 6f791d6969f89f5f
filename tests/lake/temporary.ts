import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Runs `use` with a fresh folder and removes it, also after a failure. */
export async function inFolder(use: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dare-lake-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The error of an action that must fail. */
export async function errorOf(action: () => unknown): Promise<Error & { exitCode?: number; hint?: string }> {
  try {
    await action();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`threw ${String(error)}, which is no Error`);
  }
  throw new Error('no error was thrown');
}

/** A compiled module of the project, for a script that runs in a process of its own. */
export function moduleUrl(path: string): string {
  return pathToFileURL(join(process.cwd(), 'dist', path)).href;
}

export interface ScriptLimits {
  /** Run without root's rights, for faults that root doesn't meet. */
  unprivileged?: boolean;
  /** Largest file that the process may write, in KiB. */
  fileKiB?: number;
  /** A module that each thread loads before its own. */
  preload?: string;
}

/** Runs a module in a process of its own and returns what it prints. Its file lies in `folder`. */
export function runScript(folder: string, source: string, limits: ScriptLimits = {}): Promise<string> {
  const file = join(folder, 'script.mjs');
  writeFileSync(file, source);
  chmodSync(folder, 0o755);
  const asRoot = process.getuid?.() === 0;
  const nobody = limits.unprivileged === true && asRoot ? { uid: 65534, gid: 65534 } : {};
  const options = limits.preload === undefined ? [] : ['--import', dataUrl(limits.preload)];
  const limit = limits.fileKiB === undefined ? '' : `ulimit -f ${limits.fileKiB}; `;
  return new Promise((resolve, reject) => {
    execFile(
      'bash',
      ['-c', `${limit}exec "$0" "$@"`, process.execPath, ...options, file],
      { ...nobody, cwd: folder },
      (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stderr}`)),
    );
  });
}

function dataUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
