import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { inputError, messageOf } from '../errors.js';
import { unreadable } from '../unreadable.js';
import type { TokenizerJson } from './special.js';

/** What the text side of a Hugging Face model folder says, read and checked. */
export interface ModelFolder {
  /** What errors call the model. */
  path: string;
  tokenizer: TokenizerJson;
  /** tokenizer.json as it is on disk, for the fingerprint. */
  tokenizerText: string;
  tokenizerConfig: Record<string, unknown>;
  template: { source: string; file: string } | undefined;
  /** bos_token, eos_token, pad_token, unk_token as text, for the template. */
  variables: Record<string, string>;
  /** eos_token_id of generation_config.json and config.json. */
  endIds: number[];
  /** eos_token of tokenizer_config.json. */
  endToken: string | undefined;
  vocabSize: number | undefined;
  cleanUpSpaces: boolean;
}

const addedToken = z.looseObject({
  id: z.int().nonnegative(),
  content: z.string().min(1),
  special: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
});

const tokenizerShape = z.looseObject({
  added_tokens: z.array(addedToken).default([]),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  decoder: z.unknown().default(null),
  model: z.looseObject({
    // Without it old files are told apart by what they hold; for other types the library would guess.
    type: z.enum(['BPE', 'Unigram', 'WordPiece']).optional(),
    vocab: z.union([z.record(z.string(), z.int().nonnegative()), z.array(z.tuple([z.string(), z.number()]))]),
    merges: z.array(z.union([z.string(), z.array(z.string())])).optional(),
    unk_token: z.string().nullish(),
  }),
});

const tokenText = z.union([
  z.string(),
  z.looseObject({ content: z.string() }).transform(({ content }) => content),
]);

const configShape = z.looseObject({
  bos_token: tokenText.nullish(),
  eos_token: tokenText.nullish(),
  pad_token: tokenText.nullish(),
  unk_token: tokenText.nullish(),
  clean_up_tokenization_spaces: z.boolean().nullish(),
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});

const idsShape = z.looseObject({
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
  vocab_size: z.int().nullish(),
});

/**
 * Reads the files of the text side. Only tokenizer.json must be there.
 * @param name what errors call the model
 * @throws inputError that names the file which is missing, isn't JSON, or hasn't the expected shape
 */
export function readModelFolder(path: string, name: string = path): ModelFolder {
  const tokenizerText = readText(join(path, 'tokenizer.json'));
  if (tokenizerText === undefined) throw noTokenizer(path);
  const tokenizer = parse(tokenizerText, join(path, 'tokenizer.json'), tokenizerShape) as TokenizerJson;
  const configFile = join(path, 'tokenizer_config.json');
  const config = parse(readText(configFile) ?? '{}', configFile, configShape);
  const generation = readIds(join(path, 'generation_config.json'));
  const model = readIds(join(path, 'config.json'));
  const variables = Object.fromEntries(
    (['bos_token', 'eos_token', 'pad_token', 'unk_token'] as const).flatMap((key) => {
      const token = config[key];
      return typeof token === 'string' ? [[key, token]] : [];
    }),
  );
  return {
    path: name,
    tokenizer,
    tokenizerText,
    tokenizerConfig: config,
    template: readTemplate(path, config, configFile),
    variables,
    endIds: [generation.eos_token_id, model.eos_token_id].flatMap((ids) => ids ?? []),
    endToken: config.eos_token ?? undefined,
    vocabSize: model.vocab_size ?? undefined,
    cleanUpSpaces: config.clean_up_tokenization_spaces ?? false,
  };
}

function noTokenizer(path: string): Error {
  const sentencePiece = join(path, 'tokenizer.model');
  if (existsSync(sentencePiece)) {
    return inputError(
      `${join(path, 'tokenizer.json')} is missing: the SentencePiece file ${sentencePiece} alone isn't supported`,
      'Let transformers write it: ' +
        `python -c "from transformers import AutoTokenizer as T; T.from_pretrained('${path}').save_pretrained('${path}')"`,
    );
  }
  return inputError(
    `${join(path, 'tokenizer.json')} is missing`,
    'Expected a Hugging Face model folder with tokenizer.json, tokenizer_config.json and config.json, or a GGUF file.',
  );
}

/** chat_template.jinja replaces the one of tokenizer_config.json, where several are named `default` is taken. */
function readTemplate(
  path: string,
  config: z.output<typeof configShape>,
  configFile: string,
): ModelFolder['template'] {
  const file = join(path, 'chat_template.jinja');
  const source = readText(file);
  if (source !== undefined) return { source, file };
  const given = config.chat_template;
  if (typeof given === 'string') return { source: given, file: configFile };
  const named = given?.find(({ name }) => name === 'default');
  return named === undefined ? undefined : { source: named.template, file: configFile };
}

function readIds(file: string): z.output<typeof idsShape> {
  return parse(readText(file) ?? '{}', file, idsShape);
}

function parse<Shape extends z.ZodType>(text: string, file: string, shape: Shape): z.output<Shape> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw inputError(
      `${file} isn't JSON, or is cut off: ${messageOf(error)}`,
      'Copy the model folder again.',
      error,
    );
  }
  const checked = shape.safeParse(json);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? 'its top level' : issue.path.join('.');
  throw inputError(
    `${file} isn't the file expected here: ${where}: ${issue?.message ?? 'wrong shape'}`,
    'Expected a Hugging Face model folder.',
    checked.error,
  );
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    throw unreadable(error, file, 'Expected a file of a Hugging Face model folder: copy it again.');
  }
}
