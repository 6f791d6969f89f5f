import { closeSync, openSync, writeFileSync } from 'node:fs';
import { codeOf, fileError } from '../lake/file-error.js';
import { refuseForeign } from '../lake/own-file.js';
import type { PromptRow } from '../lake/pages.js';
import type { TextModel } from '../text/tokenizer.js';
import type { Outcome } from './sequence.js';
import type { TracedStep } from './trace.js';
import type { NodeRecord, RunRecord, StepRecord, TraceRecord } from './trace-records.js';

/** Which prompts are traced: these, or the first so many that are decoded. */
export interface TraceOptions {
  file: string;
  prompts: readonly string[] | number;
}

/** A decoded prompt, beside its outcome. */
export interface TracedText {
  promptTokens: number;
  poolVersion: string | null;
  round: number;
  text: string;
}

/** Beyond it no further prompt is traced. */
export const traceBytes = 256 * 2 ** 20;
const firstBytes = '{"type":"run"';
const failure = 'the trace could not be written';

/** Writes a trace while texts are decoded: a prompt's lines stand together, once it is finished. */
export class TraceFile {
  private readonly awaited: Set<string> | undefined;
  private room: number;
  private bytes = 0;
  private written = 0;

  private constructor(
    private readonly handle: number,
    private readonly options: TraceOptions,
    private readonly tokenizer: TextModel,
  ) {
    const { prompts } = options;
    this.awaited = typeof prompts === 'number' ? undefined : new Set(prompts);
    this.room = typeof prompts === 'number' ? prompts : prompts.length;
  }

  /**
   * Begins the file anew.
   * @throws inputError where it is there and is no trace; runError where it can't be written
   */
  static open(options: TraceOptions, run: RunRecord, tokenizer: TextModel): TraceFile {
    refuseForeign('--trace', options.file, { begins: firstBytes, is: 'is no trace', failure });
    try {
      const trace = new TraceFile(openSync(options.file, 'w'), options, tokenizer);
      trace.write([run]);
      return trace;
    } catch (error) {
      throw fileError(error, failure, options.file);
    }
  }

  /** Whether this prompt, which is about to be decoded, is traced. */
  takes(promptId: string): boolean {
    if (this.room === 0 || this.bytes > traceBytes) return false;
    if (this.awaited !== undefined && !this.awaited.delete(promptId)) return false;
    this.room--;
    return true;
  }

  /** Writes what became of a prompt. @throws runError when the disk fails */
  add(prompt: PromptRow, { promptTokens, poolVersion, round, text }: TracedText, outcome: Outcome): void {
    const { promptId: prompt_id, entityType, entityId, framework, cohort } = prompt;
    const lines: TraceRecord[] = [
      {
        type: 'prompt',
        prompt_id,
        entity_type: entityType,
        entity_id: entityId,
        framework,
        cohort,
        prompt_tokens: promptTokens,
        pool_version: poolVersion,
        round,
      },
      ...(outcome.trace ?? []).map((step, index) => this.stepRecord(prompt_id, index + 1, step)),
      {
        type: 'text',
        prompt_id,
        text,
        output_token_ids: [...outcome.outputIds],
        finish_reason: outcome.finishReason,
        decode_steps: outcome.decodeSteps,
        drafted_tokens: outcome.draftedTokens,
        accepted_tokens: outcome.acceptedTokens,
        relaxed_tokens: outcome.relaxedTokens,
        divergence: outcome.divergence,
      },
    ];
    try {
      this.write(lines);
      this.written++;
    } catch (error) {
      throw fileError(error, failure, this.options.file);
    }
  }

  /** Ends the file; fine to call again. */
  close(): void {
    try {
      closeSync(this.handle);
    } catch (error) {
      if (codeOf(error) !== 'EBADF') throw error;
    }
  }

  /** What a user has to know: which prompts that were asked for aren't in it. */
  warnings(): string[] {
    const { file } = this.options;
    const there = 'texts that were there already (decode.reuse, or finished before) are not decoded again';
    const warnings: string[] = [];
    if (this.awaited !== undefined && this.awaited.size > 0) {
      const missing = [...this.awaited].slice(0, 5).map((id) => JSON.stringify(id));
      const more =
        this.awaited.size > missing.length ? ` and ${this.awaited.size - missing.length} more` : '';
      warnings.push(
        `${file} doesn't tell of ${missing.join(', ')}${more}: no such prompt was decoded; ${there}`,
      );
    } else if (this.written === 0) warnings.push(`${file} tells of no prompt: none was decoded; ${there}`);
    if (this.bytes > traceBytes)
      warnings.push(
        `${file} ends after ${this.written} prompts: it has ${this.bytes} bytes, and ${traceBytes} are enough`,
      );
    return warnings;
  }

  private stepRecord(prompt_id: string, step: number, traced: TracedStep): StepRecord {
    const { last, nodes, spent, next } = traced;
    const tokenOf = (row: number) => (row === 0 ? last : (nodes[row - 1]?.token ?? last));
    const records: NodeRecord[] = nodes.map(
      ({ token, parent, chance, matched, probability, rank, gap, verdict }) => ({
        token,
        text: pieceOf(this.tokenizer, tokenOf(parent), token),
        parent,
        chance: rounded(chance),
        matched,
        probability: rounded(probability),
        rank,
        gap: Number.isFinite(gap) ? rounded(gap) : null,
        verdict,
      }),
    );
    const end =
      nodes.findLast(({ verdict }) => verdict === 'accepted' || verdict === 'relaxed')?.token ?? last;
    return {
      type: 'step',
      prompt_id,
      step,
      last,
      last_text: pieceOf(this.tokenizer, undefined, last),
      spent: rounded(spent),
      nodes: records,
      next: next === null ? null : nextRecord(this.tokenizer, end, next),
    };
  }

  private write(records: readonly TraceRecord[]): void {
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    writeFileSync(this.handle, text);
    this.bytes += Buffer.byteLength(text);
  }
}

function nextRecord(
  tokenizer: TextModel,
  before: number,
  { token, probability, emitted }: NonNullable<TracedStep['next']>,
): NonNullable<StepRecord['next']> {
  return {
    token,
    text: pieceOf(tokenizer, before, token),
    probability: probability === null ? null : rounded(probability),
    emitted,
  };
}

/** The text that a token adds behind the one before; part of a character gives U+FFFD. */
function pieceOf(tokenizer: TextModel, before: number | undefined, token: number): string {
  const alone = tokenizer.decode([token]);
  if (before === undefined || alone === '') return alone;
  const start = tokenizer.decode([before]);
  const both = tokenizer.decode([before, token]);
  // some tokenizers drop the space before the first word of a text
  return start !== '' && both.startsWith(start) ? both.slice(start.length) : alone;
}

/** Six digits: what float32 has. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
