import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../stage.js';
import { LineLog } from './line-log.js';

/** Everything that decides a run's texts, by name: runs with equal keys may share rows. */
export type RunKey = Record<string, string>;

const formatVersion = 4;
export const journalName = 'journal';

const headerSchema = z.object({ format: z.literal(formatVersion), run: z.record(z.string(), z.string()) });
const otherFormatSchema = z.object({ format: z.number() });
const partSchema = z.object({ part: z.number().int(), rows: z.number().int(), sha256: z.string() });
const droppedSchema = z.object({ dropped: z.number().int() });
export type Part = z.output<typeof partSchema>;

/** What counts of a folder of kept rows: the run's key, then a line for every part, and for every one that is gone. */
export class KeptJournal {
  private constructor(
    private readonly log: LineLog,
    /** Parts that were entered and not dropped. */
    readonly listed: readonly Part[],
    /** Numbers that were ever entered. */
    readonly used: ReadonlySet<number>,
  ) {}

  /**
   * @param empty removes what the folder of another run holds, and says whether there was anything: its journal is then
   *   begun anew, and `log` hears why
   * @throws runError where the folder can't be read or written
   */
  static async open(folder: string, run: RunKey, log: Logger, empty: () => boolean): Promise<KeptJournal> {
    let lines = await LineLog.open(join(folder, journalName));
    try {
      const header = headerSchema.safeParse(lines.lines[0]).data;
      const differing = header === undefined ? [] : differences(header.run, run);
      if (header === undefined || differing.length > 0) {
        await lines.close();
        const why =
          header === undefined ? without(lines.lines[0]) : `are of another run (${differing.join(', ')})`;
        if (empty()) log.warn({}, `the texts kept in ${folder} ${why}: starting anew`);
        lines = await LineLog.open(join(folder, journalName));
        await lines.append({ format: formatVersion, run });
        await lines.sync();
      }
      const parts = lines.lines.flatMap((line) => partSchema.safeParse(line).data ?? []);
      const dropped = new Set(lines.lines.map((line) => droppedSchema.safeParse(line).data?.dropped));
      const listed = parts.filter(({ part }) => !dropped.has(part));
      return new KeptJournal(lines, listed, new Set(parts.map(({ part }) => part)));
    } catch (error) {
      await lines.close();
      throw error;
    }
  }

  /** Settles when the part counts, also after a crash of the machine. */
  async enter(part: Part): Promise<void> {
    await this.log.append(part);
    await this.log.sync();
  }

  /** A part counts no longer. */
  async drop({ part }: Part): Promise<void> {
    await this.log.append({ dropped: part });
    await this.log.sync();
  }

  /** Fine to call again. */
  async close(): Promise<void> {
    await this.log.close();
  }
}

/** What is said of rows whose journal doesn't begin as it should. */
function without(firstLine: unknown): string {
  const { success } = otherFormatSchema.safeParse(firstLine);
  return success ? 'were kept by another version of dare' : 'have no whole journal';
}

/** The key of the run whose rows a folder keeps; undefined where its journal is not whole. */
export async function readRunKey(folder: string): Promise<RunKey | undefined> {
  const journal = await LineLog.open(join(folder, journalName));
  await journal.close();
  return headerSchema.safeParse(journal.lines[0]).data?.run;
}

/** The names of what differs between two runs. */
export function differences(one: RunKey, other: RunKey): string[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => one[name] !== other[name]).map((name) => `other ${name}`);
}
