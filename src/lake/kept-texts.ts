import { listValue } from 'duckdb';
import { runError } from '../errors.js';
import type { DecodeSums } from '../stage.js';
import { listOfFiles } from './duck.js';
import { fileError } from './file-error.js';
import { PageSession } from './page-session.js';

/** Sums over kept rows of one round and cohort. */
export interface KeptSums extends DecodeSums {
  round: number;
  entityType: string | null;
  cohort: string | null;
  /** Taken over from earlier tables, by whatever run. */
  takenOver: boolean;
  /** Of the first round before this run. */
  firstRound: boolean;
  nearTies: number;
  cutByContext: number;
}

/** A text that pools between rounds are made of. */
export interface RoundText {
  promptId: string;
  entityType: string | null;
  cohort: string | null;
  ids: ArrayLike<number>;
  /** Whether the model's end token ended it. */
  ended: boolean;
}

/** Marks of prompts whose texts are kept: of this run, or of one with the same key, and of those that made its pools. */
export const decoded = 1;
export const inPools = 2;

/** What a table in the making holds already: read from its parts. Without parts nothing is opened or read. */
export class KeptTexts {
  private constructor(
    private readonly parts: readonly string[],
    private readonly session: PageSession | undefined,
    private readonly pooled: boolean,
  ) {}

  /**
   * @param parts closed parts of KeptRows
   * @param pooled whether the run drafts from pools that it was given: texts without any are of a first round then
   */
  static async open(parts: readonly string[], pooled: boolean): Promise<KeptTexts> {
    return new KeptTexts(parts, parts.length === 0 ? undefined : await PageSession.open({}), pooled);
  }

  /**
   * Marks the rows of a file of prompts whose texts are kept, at the row's place: `decoded` or `inPools`, else 0.
   * @param kept how many must be found
   * @throws runError when the kept rows aren't of that file
   */
  async finished(prompts: string, rows: number, kept: number): Promise<Uint8Array> {
    const marks = new Uint8Array(rows);
    if (this.session === undefined) return marks;
    const result = await this.guard(async ({ duck }) =>
      duck.script('lake/kept-rows', {
        params: { prompts, pooled: this.pooled, ...this.files },
        types: listOfFiles,
      }),
    );
    let found = 0;
    for (let chunk = 0; chunk < result.chunkCount; chunk++) {
      for (const [row, pooled] of result.getChunk(chunk).getRows()) {
        marks[Number(row)] = pooled === true ? inPools : decoded;
        found++;
      }
    }
    if (found === kept) return marks;
    throw runError(
      `${found} of the ${kept} texts in ${this.parts.join(', ')} belong to prompts of ${prompts}`,
      'Something changed them: remove their folder, and run again.',
    );
  }

  async sums(): Promise<KeptSums[]> {
    const rows = await this.query('lake/kept-sums', { pooled: this.pooled });
    return rows.map((row) => ({
      round: row.round as number,
      entityType: row.entity_type as string | null,
      cohort: row.cohort as string | null,
      takenOver: row.taken_over as boolean,
      firstRound: row.first_round as boolean,
      rows: row.rows as number,
      failed: row.failed as number,
      outputTokens: row.output_tokens as number,
      emittedTokens: row.emitted_tokens as number,
      decodeSteps: row.decode_steps as number,
      draftedTokens: row.drafted_tokens as number,
      acceptedTokens: row.accepted_tokens as number,
      relaxedTokens: row.relaxed_tokens as number,
      nearTies: row.near_ties as number,
      cutByContext: row.cut_by_context as number,
      divergence: row.divergence as number,
    }));
  }

  /** `prompt_id: error` of the first rows without a text. */
  async failures(most: number): Promise<string[]> {
    return (await this.query('lake/kept-failures', { most })).map((row) => `${row.prompt_id}: ${row.error}`);
  }

  /** The texts that were decoded in a round, part by part. */
  async *texts(round: number): AsyncGenerator<RoundText> {
    for (const part of this.parts) {
      const params = { part, round };
      for (const row of await this.guard(({ duck }) => duck.scriptRows('lake/kept-texts', { params })))
        yield toRoundText(row);
    }
  }

  /** Of the texts that were taken over a number at most: which they are doesn't depend on how the parts were cut. */
  async takenOver(most: number): Promise<RoundText[]> {
    return (await this.query('lake/taken-texts', { most })).map(toRoundText);
  }

  close(): void {
    this.session?.close();
  }

  private get files() {
    return { files: listValue([...this.parts]) };
  }

  private async query(
    script: string,
    params: Record<string, number | boolean>,
  ): Promise<Record<string, unknown>[]> {
    if (this.session === undefined) return [];
    return this.guard(({ duck }) =>
      duck.scriptRows(script, { params: { ...params, ...this.files }, types: listOfFiles }),
    );
  }

  private async guard<T>(read: (session: PageSession) => Promise<T>): Promise<T> {
    try {
      return await read(this.session as PageSession);
    } catch (error) {
      throw fileError(error, 'the kept texts could not be read', this.parts.join(', '));
    }
  }
}

function toRoundText(row: Record<string, unknown>): RoundText {
  return {
    promptId: row.prompt_id as string,
    entityType: row.entity_type as string | null,
    cohort: row.cohort as string | null,
    ids: row.output_token_ids as number[],
    ended: row.ended as boolean,
  };
}
