#!/usr/bin/env node
/** Arguments -> stage; exit codes; the JSON line. */
import { type Command, commandOf, parseCommand } from './cli/arguments.js';
import { Interrupted, watchSignals } from './cli/interrupt.js';
import type { Action } from './cli/perform.js';
import { isQuiet, levelOf, startWatching, type Watching } from './cli/watching.js';
import { DareError, messageOf, runError } from './errors.js';
import { packageVersion } from './paths.js';
import { createLog, type LogLevel } from './report/log.js';
import { Screen } from './report/screen.js';

const argv = process.argv.slice(2);
const screen = new Screen(process.stderr);
let ended = false;
// A reader that went away (`dare run | head`) is no reason to stop working.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  const command = parseCommand(argv);
  if (command.kind === 'help' || command.kind === 'version') await printInformation(command);
  else await run(command);
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

/** What stands in results and messages. */
function nameOf(action: Action): string {
  switch (action.kind) {
    case 'stage':
      return action.stage;
    case 'tool':
      return action.tool;
    case 'verify':
      return 'pools verify';
    case 'model':
      return `model ${action.action}`;
    case 'explain':
      return action.kind;
    case 'lake':
      return action.name;
  }
}

async function run(action: Action): Promise<void> {
  const name = nameOf(action);
  const { options } = action;
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
    const warnings = watching?.tools.watch.warnings ?? [];
    fail(name, signal.aborted ? signal.reason : error, { json, stack: debug, level }, warnings);
  };
  process.on('uncaughtException', failed);
  try {
    watching = await startWatching(options, screen, log, signal);
    // loaded when it is needed, so that help and wrong usage answer at once
    const { perform } = await import('./cli/perform.js');
    const { summary, ...result } = await perform(action, watching.tools);
    screen.status('');
    // those of stages are told already
    for (const warning of result.warnings) watching.tools.watch.warn(warning);
    if (summary !== undefined && !json && !isQuiet(options)) screen.line(summary);
    await watching.close();
    finish(result, result.skipped === true ? Number(options['skip-exit-code'] ?? 0) : 0);
  } catch (error) {
    await failed(error);
  }
}

/**
 * Says what went wrong on stderr and ends the process with the error's exit code.
 * @param stage undefined where the arguments name none
 * @param warnings of stages that had ended before; they are told already
 */
function fail(
  stage: string | undefined,
  error: unknown,
  mode: { json: boolean; stack: boolean; level: LogLevel },
  warnings: readonly string[] = [],
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
  const result = {
    stage: stage ?? null,
    error: reported.message,
    exitCode: reported.exitCode,
    ...(warnings.length === 0 ? {} : { warnings }),
    ...details,
  };
  finish(result, reported.exitCode);
}

/** Writes the result as the last line of stdout, then ends, whatever threads and databases a failed stage left. */
function finish(result: object, exitCode: number): void {
  if (ended) return;
  ended = true;
  const line = JSON.stringify(result, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  );
  process.stdout.write(`${line}\n`, () => process.exit(exitCode));
}
