#!/usr/bin/env node
/** Arguments -> stage; exit codes; the JSON line. */
import { type Command, commandOf, type Options, parseCommand } from './cli/arguments.js';
import { Interrupted, watchSignals } from './cli/interrupt.js';
import { isQuiet, levelOf, startWatching, type Watching } from './cli/watching.js';
import { DareError, messageOf, runError } from './errors.js';
import { packageVersion } from './paths.js';
import { createLog, type LogLevel } from './report/log.js';
import { Screen } from './report/screen.js';
import type { CommandResult, StageTools } from './stage.js';

const argv = process.argv.slice(2);
const screen = new Screen(process.stderr);
let ended = false;
// A reader that went away (`dare run | head`) is no reason to stop working.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  const command = parseCommand(argv);
  if (command.kind === 'stage') await runStageCommand(command);
  else if (command.kind === 'status') await runStatusCommand(command);
  else if (command.kind === 'view') await runViewCommand(command);
  else if (command.kind === 'upkeep') await runUpkeepCommand(command);
  else if (command.kind === 'review') await runReviewCommand(command);
  else if (command.kind === 'tool') await runToolCommand(command);
  else if (command.kind === 'verify') await runVerifyCommand(command);
  else if (command.kind === 'explain') await runExplainCommand(command);
  else if (command.kind === 'model') await runModelCommand(command);
  else await printInformation(command);
} catch (error) {
  const json = argv.includes('--json');
  fail(commandOf(argv), error, { json, stack: argv.includes('--debug'), level: 'error' });
}

async function printInformation(command: Command & { kind: 'help' | 'version' }): Promise<void> {
  if (command.kind === 'version') {
    process.stdout.write(`${packageVersion()}\n`);
    return;
  }
  const { commandHelp, overview } = await import('./cli/help.js');
  process.stdout.write(command.command === undefined ? overview() : commandHelp(command.command));
}

function runStageCommand({ stage, standalone, options }: Command & { kind: 'stage' }): Promise<void> {
  return runCommand(stage, options, async (tools) => {
    const { runStage, runStandalone } = await import('./cli/stages.js');
    return await (standalone ? runStandalone : runStage)(stage, options, tools);
  });
}

function runStatusCommand({ options }: Command & { kind: 'status' }): Promise<void> {
  return runCommand('status', options, async () => {
    const { runStatus } = await import('./cli/stages.js');
    return await runStatus(options);
  });
}

function runViewCommand({ name, options }: Command & { kind: 'view' }): Promise<void> {
  return runCommand(name, options, async (tools) => {
    const { runView } = await import('./cli/stages.js');
    return await runView(name, options, tools);
  });
}

function runUpkeepCommand({ name, options }: Command & { kind: 'upkeep' }): Promise<void> {
  return runCommand(name, options, async (tools) => {
    const { runUpkeep } = await import('./cli/stages.js');
    return await runUpkeep(name, options, tools);
  });
}

function runReviewCommand({ name, options }: Command & { kind: 'review' }): Promise<void> {
  return runCommand(name, options, async (tools) => {
    const { runReview } = await import('./cli/stages.js');
    return await runReview(name, options, tools);
  });
}

function runToolCommand({ tool, options }: Command & { kind: 'tool' }): Promise<void> {
  return runCommand(tool, options, async (tools) => {
    const { runTool } = await import('./cli/stages.js');
    return await runTool(tool, options, tools);
  });
}

function runVerifyCommand({ options }: Command & { kind: 'verify' }): Promise<void> {
  return runCommand('pools verify', options, async (tools) => {
    const { runVerify } = await import('./cli/stages.js');
    return await runVerify(options, tools);
  });
}

function runExplainCommand({ promptId, options }: Command & { kind: 'explain' }): Promise<void> {
  return runCommand('explain', options, async () => {
    const { runExplain } = await import('./cli/stages.js');
    return await runExplain(promptId, options);
  });
}

function runModelCommand({ action, path, options }: Command & { kind: 'model' }): Promise<void> {
  return runCommand(`model ${action}`, options, async (tools) => {
    const { runModel } = await import('./cli/stages.js');
    return await runModel(action, path, options, tools);
  });
}

async function runCommand(
  name: string,
  options: Options,
  run: (tools: StageTools) => Promise<CommandResult>,
): Promise<void> {
  const { json = false, debug = false } = options;
  const level = levelOf(options);
  const log = createLog(screen, { json, level, stack: debug });
  const signal = watchSignals(process, ({ message }) =>
    log.warn({}, `${message}: ending the current step; a second signal ends at once`),
  );
  let watching: Watching | undefined;
  const failed = async (error: unknown) => {
    // After a signal whatever went wrong is its consequence.
    if (signal.aborted && error !== signal.reason) log.debug({ err: error }, 'while stopping');
    await watching?.close(error);
    fail(name, signal.aborted ? signal.reason : error, { json, stack: debug, level });
  };
  process.on('uncaughtException', failed);
  try {
    watching = await startWatching(options, screen, log, signal);
    const { summary, ...result } = await run(watching.tools);
    screen.status('');
    for (const warning of result.warnings) log.warn({}, warning);
    if (summary !== undefined && !json && !isQuiet(options)) screen.line(summary);
    await watching.close();
    finish(result, result.skipped === true ? Number(options['skip-exit-code'] ?? 0) : 0);
  } catch (error) {
    await failed(error);
  }
}

/** Says what went wrong on stderr and ends the process with the error's exit code. */
function fail(
  stage: string | undefined,
  error: unknown,
  mode: { json: boolean; stack: boolean; level: LogLevel },
): void {
  const known = error instanceof DareError || error instanceof Interrupted;
  const reported = known
    ? error
    : runError(
        `unexpected error: ${messageOf(error).split('\n')[0]}`,
        'Run again with --debug to see where it arose, and report it if it looks like a fault of dare.',
        error,
      );
  if (mode.stack && !known && error instanceof Error && error.stack !== undefined)
    reported.stack = error.stack;
  screen.status('');
  const name = stage === undefined ? 'dare' : `dare ${stage}`;
  createLog(screen, mode).error({ err: reported }, `${name}: ${reported.message}`);
  const details = reported instanceof DareError ? reported.details : {};
  const result = { stage, error: reported.message, exitCode: reported.exitCode, ...details };
  finish(stage === undefined ? undefined : result, reported.exitCode);
}

/** Writes the result as the last line of stdout, then ends, whatever threads and databases a failed stage left. */
function finish(result: object | undefined, exitCode: number): void {
  if (ended) return;
  ended = true;
  if (result === undefined) process.exit(exitCode);
  const line = JSON.stringify(result, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  );
  process.stdout.write(`${line}\n`, () => process.exit(exitCode));
}
