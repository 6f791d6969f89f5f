import { parseCommand } from '../../src/cli/arguments.js';
import { perform } from '../../src/cli/perform.js';
import { Duck } from '../../src/lake/duck.js';
import { silentProgress } from '../../src/report/progress.js';
import type { CommandResult, StageTools } from '../../src/stage.js';

export const silentTools: StageTools = {
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  progress: silentProgress,
  signal: new AbortController().signal,
};

/** A command as the command line runs it, in this process. */
export async function runHere(args: readonly string[]): Promise<CommandResult> {
  const command = parseCommand(args);
  if (command.kind === 'help' || command.kind === 'version') throw new Error(`${command.kind} does nothing`);
  return await perform(command, silentTools);
}

/** Writes a query's rows to a Parquet file and returns its path. */
export async function writeParquet(file: string, select: string): Promise<string> {
  const duck = await Duck.open();
  try {
    await duck.run(`copy (${select}) to $file (format parquet)`, { file });
  } finally {
    duck.close();
  }
  return file;
}
