/** What people are told of files that stand for objects: the objects' URLs. */
import { DareError } from '../errors.js';
import type { CommandResult, Logger, StageWatch } from '../stage.js';

/** Local paths, of files and of folders with all below them, and the URLs that they stand for. */
export class RemoteNames {
  private readonly known: { path: RegExp; url: string }[] = [];

  add(path: string, url: string): void {
    const literal = path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    // what only begins like it lies beside it
    this.known.push({ path: new RegExp(`${literal}(?![\\w-]|\\.\\w)`, 'g'), url });
  }

  /** A text with URLs in place of local paths. */
  inText(text: string): string {
    let named = text;
    for (const { path, url } of this.known) named = named.replaceAll(path, () => url);
    return named;
  }

  /** A command's result, in which every text is named. */
  inResult<Result extends CommandResult>(result: Result): Result {
    return this.inValue(result) as Result;
  }

  /** The same error with its message named; hints go on naming what is on this machine, since there it is to be done. */
  inError(error: unknown): unknown {
    if (!(error instanceof DareError)) return error;
    const message = this.inText(error.message);
    if (message === error.message) return error;
    const named = new DareError(message, error.exitCode, error.hint, {
      cause: error,
      details: error.details,
    });
    return named;
  }

  /** A logger whose sentences are named. */
  inLog(log: Logger): Logger {
    return {
      debug: (fields, message) => log.debug(fields, this.inText(message)),
      info: (fields, message) => log.info(fields, this.inText(message)),
      warn: (fields, message) => log.warn(fields, this.inText(message)),
      error: (fields, message) => log.error(fields, this.inText(message)),
    };
  }

  /** A watch that is told warnings with names; results go on naming files, which observers look at. */
  inWatch(watch: StageWatch): StageWatch {
    const warnings = (texts: readonly string[]) => texts.map((text) => this.inText(text));
    return {
      observe: (scope, run) =>
        watch.observe(scope, async () => {
          const result = await run();
          return { ...result, warnings: warnings(result.warnings) };
        }),
      warn: (warning) => watch.warn(this.inText(warning)),
    };
  }

  private inValue(value: unknown): unknown {
    if (typeof value === 'string') return this.inText(value);
    if (Array.isArray(value)) return value.map((one) => this.inValue(one));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.inValue(one)]));
  }
}
