/** The virtual environments that tests/etl/setup makes, and programs run in them. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';
import { lacking } from '../lacking.js';

export type Environment = 'airflow' | 'dbt' | 'ray' | 's3';

/** How DARE is called from there. */
export const command = `${process.execPath} ${join(packageRoot, 'dist/src/cli.js')}`;
export const folderOf = (name: Environment) => join(packageRoot, 'pipeline', name);

export function hasEnvironment(environment: Environment): boolean {
  return existsSync(join(binaries(environment), '../requirements.txt'));
}

/**
 * The body of a test of what runs in an environment. Where there is none the test says so and does nothing (`lacking`):
 * CI makes them, a developer without Python needn't.
 */
export function inEnvironment(environment: Environment, run: () => Promise<void>): () => Promise<void> {
  return async () => {
    if (hasEnvironment(environment)) await run();
    else lacking(environment, `tests/etl/setup ${environment} makes its environment`);
  };
}

export interface Finished {
  code: number | null;
  /** The last line of stdout. */
  last: string;
  /** Both streams, as they came. */
  output: string;
}

/** Runs a program of an environment with the repository as working directory. */
export function runIn(
  environment: Environment,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  const child = spawn(join(binaries(environment), program), args, {
    cwd: packageRoot,
    // compiled modules are kept in the environment: importing anew each time takes longer than the tests themselves
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, last: stdout.trimEnd().split('\n').at(-1) ?? '', output }));
  });
}

function binaries(environment: Environment): string {
  return join(packageRoot, 'tests/etl', `.venv-${environment}`, 'bin');
}
