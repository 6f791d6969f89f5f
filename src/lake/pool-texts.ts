import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { listValue } from 'duckdb';
import { inputError } from '../errors.js';
import { listOfFiles, type Params } from './duck.js';
import { FileWatch } from './fingerprint.js';
import { interruptOnAbort } from './interrupt.js';
import { checkTextColumns } from './page-columns.js';
import { type Column, type PageOptions, PageSession, readError } from './page-session.js';
import { checkPatterns, joinPatterns } from './patterns.js';

/** Which texts come first where not all are kept: those of the newest files, those that share the most, any. */
export type Keep = 'recent' | 'frequent' | 'random';

export interface TextRules {
  /** Most tokens of a pool; none when left out. */
  maxTokens?: number;
  keep: Keep;
  /** Regular expressions: texts that one of them matches are left out. */
  exclude: readonly string[];
}

/** The texts of an entity type and cohort; of all that have no cohort where it is null. */
export interface TextGroup {
  entityType: string | null;
  cohort: string | null;
  texts: number;
  /** Equal for equal texts, whatever the order of files' rows; decides the group's pool together with `key`. */
  fingerprint: string;
}

export interface GroupText {
  text: string;
  /** Whether the text ended by itself. */
  complete: boolean;
  promptId: string | null;
}

/** Columns that decide which texts are found. */
const columnsRead = ['text', 'entity_type', 'cohort', 'prompt_id', 'finish_reason', 'error'];
/** Bytes of text that are put into order at a time: bounds the memory of sorting. */
const batchBytes = 128 << 20;
/** A text isn't read when those before it hold so many bytes for each token that is kept: four are usual. */
const bytesPerToken = 32;

/**
 * The texts that pools are made of, by entity type and cohort: found in Parquet files, the newest of each prompt, without
 * what failed or is kept out. First only fingerprints and counts are known; `arrange` brings the texts of one group
 * together. Memory is bounded by DuckDB's limit and a page; the texts that are chosen lie on the disk meanwhile.
 */
export class PoolTexts {
  private stopListening: () => void = () => undefined;
  /** Sorted files, each with the place of its first text among all. */
  private readonly batches: { file: string; first: number; texts: number }[] = [];
  /** Place of each group's first text among all, and of the one after the last. */
  private places: { start: number; stop: number }[] = [];

  private constructor(
    private readonly session: PageSession,
    private readonly files: string[],
    private readonly watch: FileWatch,
    private readonly rules: TextRules,
    readonly columns: Column[],
    readonly groups: readonly TextGroup[],
    /** Older texts of prompts that have a newer one. */
    readonly superseded: number,
    /** Texts that a pattern keeps out. */
    readonly excluded: number,
  ) {}

  /**
   * @param paths Parquet files or globs, the oldest first, with `text` (VARCHAR), optional `entity_type`, `cohort`,
   *   `prompt_id`, `finish_reason`, `error`
   * @throws inputError for missing, truncated or foreign files, a missing or wrong column, a wrong pattern
   */
  static async open(
    paths: readonly string[],
    rules: TextRules,
    signal: AbortSignal,
    options: PageOptions = {},
  ): Promise<PoolTexts> {
    await checkPatterns(rules.exclude, 'pools.exclude');
    const names = paths.join(', ');
    const session = await PageSession.open(options);
    const stopListening = interruptOnAbort(session.duck, signal);
    try {
      const files = await filesOf(session, paths);
      const watch = new FileWatch(files);
      const types = await session.columns(files);
      checkTextColumns(names, types);
      const params = { files: listValue(files), excluded: joinPatterns(rules.exclude) };
      const [counts] = await session.duck.scriptRows('pools/texts', { params, types: listOfFiles });
      const { keep } = orderOf(rules);
      const groups = await session.duck.scriptRows('pools/fingerprints', { params: { keep } });
      const texts = new PoolTexts(
        session,
        files,
        watch,
        rules,
        types.filter(({ name }) => columnsRead.includes(name)),
        groups.map(toGroup),
        counts?.superseded as number,
        counts?.excluded as number,
      );
      texts.stopListening = stopListening;
      return texts;
    } catch (error) {
      stopListening();
      session.close();
      signal.throwIfAborted();
      throw readError(error, names, session.folder);
    }
  }

  get texts(): number {
    return this.groups.reduce((sum, group) => sum + group.texts, 0);
  }

  /** Writes the texts into temporary files, group after group. */
  async arrange(): Promise<void> {
    const { session, files } = this;
    const folder = join(session.folder, 'batches');
    const { keep, bytes } = orderOf(this.rules);
    try {
      const params = { files: listValue(files), keep, bytes, batch_bytes: BigInt(batchBytes), folder };
      await session.duck.script('pools/arrange', { params, types: listOfFiles });
      // rows were named by their place in the files
      this.watch.check();
      let first = 0;
      for (const { batch, texts } of await this.rows('pools/batches')) {
        const parts = join(folder, `batch=${batch}`);
        const file = join(session.folder, `texts-${batch}.parquet`);
        const list = readdirSync(parts).map((name) => join(parts, name));
        await session.duck.script('pools/batch', {
          params: { parts: listValue(list), arranged: file },
          types: { parts: listOfFiles.files },
        });
        rmSync(parts, { recursive: true });
        this.batches.push({ file, first, texts: texts as number });
        first += texts as number;
      }
      let start = 0;
      for (const { texts } of await this.rows('pools/chosen')) {
        this.places.push({ start, stop: start + (texts as number) });
        start += texts as number;
      }
    } catch (error) {
      throw readError(error, files.join(', '), session.folder);
    }
  }

  /**
   * The texts of a group in pages: the newest first with `recent`, by chance otherwise; those far beyond `maxTokens`
   * left out. May be read several times.
   * @param group its place in `groups`
   */
  async *pages(group: number): AsyncGenerator<GroupText[]> {
    const { start, stop } = this.places[group] as { start: number; stop: number };
    for (const { file, first, texts } of this.batches) {
      const from = Math.max(start - first, 0);
      const to = Math.min(stop - first, texts);
      yield* this.session.pages('pools/page', { arranged: file }, to, toText, from);
    }
  }

  close(): void {
    this.stopListening();
    this.session.close();
  }

  private rows(script: string, params: Params = {}): Promise<Record<string, unknown>[]> {
    return this.session.duck.scriptRows(script, { params });
  }
}

/** Where all texts are kept their order doesn't matter; where the most shared are, each must be looked at. */
function orderOf({ maxTokens, keep }: TextRules): { keep: Keep; bytes: bigint } {
  const everything = 2n ** 62n;
  if (maxTokens === undefined) return { keep: 'random', bytes: everything };
  return { keep, bytes: keep === 'frequent' ? everything : BigInt(maxTokens) * BigInt(bytesPerToken) };
}

async function filesOf(session: PageSession, paths: readonly string[]): Promise<string[]> {
  const files = new Set<string>();
  for (const pattern of paths) {
    const found = await session.duck.scriptRows('pools/files', { params: { pattern } });
    if (found.length === 0) throw inputError(`${pattern}: there is no such file`);
    for (const { file } of found) files.add(file as string);
  }
  return [...files];
}

function toGroup(row: Record<string, unknown>): TextGroup {
  return {
    entityType: row.entity_type as string | null,
    cohort: row.cohort as string | null,
    texts: row.texts as number,
    fingerprint: row.fingerprint as string,
  };
}

function toText(row: Record<string, unknown>): GroupText {
  return {
    text: row.text as string,
    complete: row.complete as boolean,
    promptId: row.prompt_id as string | null,
  };
}
