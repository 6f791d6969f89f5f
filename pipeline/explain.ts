import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type {
  PromptRecord,
  RunRecord,
  StepRecord,
  TextRecord,
  TraceRecord,
} from '../src/decode/trace-records.js';
import { traceRecord } from '../src/decode/trace-records.js';
import { inputError, messageOf } from '../src/errors.js';
import { drawPrompt, type TracedPrompt } from '../src/report/explain.js';
import { quoted } from '../src/report/visible.js';
import type { CommandResult } from '../src/stage.js';
import { unreadable } from '../src/unreadable.js';

export interface ExplainOptions {
  promptId: string;
  /** What `dare decode --trace` wrote. */
  trace: string;
  /** Whether the result holds the steps. */
  steps: boolean;
}

/** `dare explain`: what a trace tells of one prompt, drawn for people. */
export async function explain({ promptId, trace, steps }: ExplainOptions): Promise<CommandResult> {
  const traced = await readTrace(trace, promptId);
  const { text, finish_reason: finishReason, decode_steps: decodeSteps } = traced.text;
  return {
    stage: 'explain',
    promptId,
    mode: traced.run.mode,
    text,
    finishReason,
    decodeSteps,
    outputTokens: traced.text.output_token_ids.length,
    divergence: traced.text.divergence,
    ...(steps ? { run: traced.run, prompt: traced.prompt, steps: traced.steps } : {}),
    warnings: [],
    summary: drawPrompt(traced),
  };
}

/**
 * What a trace tells of a prompt.
 * @throws inputError where the file isn't a trace, or doesn't tell of the prompt
 */
export async function readTrace(file: string, promptId: string): Promise<TracedPrompt> {
  let run: RunRecord | undefined;
  let prompt: PromptRecord | undefined;
  let text: TextRecord | undefined;
  const steps: StepRecord[] = [];
  const others: string[] = [];
  for await (const record of records(file, promptId)) {
    if (record.type === 'run') run = record;
    else if (record.prompt_id !== promptId) others.push(record.prompt_id);
    else if (record.type === 'prompt') prompt = record;
    else if (record.type === 'step') steps.push(record);
    else text = record;
  }
  if (run === undefined) throw inputError(`${file} is no trace: it doesn't begin with the run`, remedy);
  if (prompt === undefined || text === undefined) {
    const there = others.slice(0, 5).map((id) => quoted(id));
    const more = others.length > there.length ? ` and ${others.length - there.length} more` : '';
    const tells = there.length === 0 ? 'it tells of none' : `it tells of ${there.join(', ')}${more}`;
    throw inputError(
      `${file} doesn't tell of the prompt ${quoted(promptId)}: ${tells}`,
      'dare decode --trace FILE --trace-prompts ID records it, where it is decoded again.',
    );
  }
  return { run, prompt, steps, text };
}

const remedy = 'Expected what dare decode --trace FILE wrote.';

/** The run, the names of all prompts, and everything of this one. What a killed run left half written is left out. */
async function* records(file: string, promptId: string): AsyncGenerator<TraceRecord> {
  const named = JSON.stringify(promptId);
  const lines = createInterface({
    input: createReadStream(file, 'utf8'),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  let broken: Error | undefined;
  let number = 0;
  try {
    for await (const line of lines) {
      if (broken !== undefined) throw broken;
      number++;
      const wanted = line.includes(named) || /^\{"type":"(run|prompt)"/.test(line);
      if (number > 1 && !wanted) continue;
      try {
        yield recordOf(line);
      } catch (error) {
        broken = inputError(`line ${number} of ${file} is broken: ${messageOf(error)}`, remedy, error);
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    throw unreadable(error, `the trace ${file}`, remedy);
  }
  if (broken !== undefined && !(number > 1 && broken.cause instanceof SyntaxError)) throw broken;
}

function recordOf(line: string): TraceRecord {
  const { success, data, error } = traceRecord.safeParse(JSON.parse(line));
  if (!success) {
    const [issue] = error.issues;
    throw new Error(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  if (data.type === 'step' && data.nodes.some(({ parent }, index) => parent > index))
    throw new Error('a node follows one that comes behind it');
  return data;
}
