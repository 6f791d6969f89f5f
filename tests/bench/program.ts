import { DareError, messageOf } from '../../src/errors.js';

/** Runs a benchmark's program; what fails is said in a line with its hint, and the exit code is the error's. */
export async function runProgram(name: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const hint = error instanceof DareError && error.hint !== undefined ? `\n${error.hint}` : '';
    say(`${name}: ${messageOf(error)}${hint}`);
    process.exit(error instanceof DareError ? error.exitCode : 1);
  }
}

/** For people: stdout is for results. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
