import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChatMessage } from '../../src/text/chat.js';
import { TextModel } from '../../src/text/tokenizer.js';

/** The embedded model. */
export const sampleFolder = 'data-samples/model';

export const sampleTokenizer = JSON.parse(
  readFileSync(join(sampleFolder, 'tokenizer.json'), 'utf8'),
) as Record<string, unknown>;

export const sampleTemplate = (
  JSON.parse(readFileSync(join(sampleFolder, 'tokenizer_config.json'), 'utf8')) as { chat_template: string }
).chat_template;

/**
 * What Hugging Face tokenizers 0.23.3 and jinja2 3.1.6 (with transformers' settings) give: three tokenizers (a small
 * Unigram, a small BPE in the manner of Llama 2, the embedded model's with more added tokens), five templates.
 */
export interface Reference {
  tokenizers: Record<string, Record<string, unknown>>;
  templates: Record<string, string>;
  cases: { tokenizer: string; template: string; messages: ChatMessage[]; ids: number[]; text: string }[];
  texts: { tokenizer: string; text: string; ids: number[]; decoded: string }[];
}

export const reference = JSON.parse(readFileSync('tests/golden/chat-reference.json', 'utf8')) as Reference;

/** Runs `use` with a fresh folder and removes it, also after a failure. */
export function inFolder<Result>(use: (folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'dare-text-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A model folder's files by name: text, or what becomes JSON. */
export type Files = Record<string, unknown>;

/** A text model of these files; everything is read at once, so that the folder can go. */
export function modelOf(files: Files): TextModel {
  return inFolder((folder) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return TextModel.load(folder);
  });
}

/** The embedded model's tokenizer with another chat template. */
export function withTemplate(chat_template: unknown, more: Files = {}): TextModel {
  return modelOf({
    'tokenizer.json': sampleTokenizer,
    'tokenizer_config.json': { eos_token: '<|im_end|>', bos_token: '<|im_start|>', chat_template },
    ...more,
  });
}

/** One of the reference's tokenizers with one of its templates. */
export function referenceModel(tokenizer: string, template: string): TextModel {
  const json = reference.tokenizers[tokenizer];
  return modelOf({
    'tokenizer.json': tokenizer === 'sample' ? { ...sampleTokenizer, ...json } : json,
    'tokenizer_config.json': {
      bos_token: '<s>',
      eos_token: { content: '</s>' },
      chat_template: reference.templates[template],
    },
  });
}

/** The error of an action that must fail. */
export function errorOf(action: () => unknown): Error & { exitCode?: number; hint?: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('no error was thrown');
}
