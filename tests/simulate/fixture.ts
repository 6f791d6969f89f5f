import { type Command, parseCommand } from '../../src/cli/arguments.js';
import { runTool } from '../../src/cli/stages.js';
import { Duck } from '../../src/lake/duck.js';
import { silentProgress } from '../../src/report/progress.js';
import type { CommandResult, StageTools } from '../../src/stage.js';

export const silentTools: StageTools = {
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  progress: silentProgress,
  signal: new AbortController().signal,
};

/** `dare simulate` or `dare plan` as the command line runs it, in this process. */
export async function runHere(args: readonly string[]): Promise<CommandResult> {
  const { tool, options } = parseCommand(args) as Command & { kind: 'tool' };
  return await runTool(tool, options, silentTools);
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
