import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { textFolderOf } from '../../src/gguf/text-folder.js';
import { loadTextModel } from '../../src/model/text.js';
import { errorOf } from '../text/fixture.js';
import { tokenizerReferences, type Value, writeGguf } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-gguf-text-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const cache = join(folder, 'cache');
const file = join(folder, 'model.gguf');

const { texts, byteLevel, sentencePiece } = tokenizerReferences;
const chatTemplate =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const size = byteLevel.tokens.length;
/** The vocabulary of the references and, behind it, control tokens, an ordinary added one and an unused place. */
const byteLevelMetadata: Record<string, Value> = {
  'general.architecture': { text: 'llama' },
  'tokenizer.ggml.model': { text: 'gpt2' },
  'tokenizer.ggml.pre': { text: 'gpt-2' },
  'tokenizer.ggml.tokens': {
    texts: [...byteLevel.tokens, '<|im_start|>', '<|im_end|>', '<|endoftext|>', '    ', '[PAD1]'],
  },
  'tokenizer.ggml.token_type': { i32s: [...byteLevel.tokens.map(() => 1), 3, 3, 3, 4, 5] },
  'tokenizer.ggml.merges': { texts: byteLevel.merges },
  'tokenizer.ggml.bos_token_id': { u32: size },
  'tokenizer.ggml.eos_token_id': { u32: size + 1 },
  'tokenizer.chat_template': { text: chatTemplate },
};
const sentencePieceMetadata: Record<string, Value> = {
  'general.architecture': { text: 'llama' },
  'tokenizer.ggml.model': { text: 'llama' },
  'tokenizer.ggml.tokens': { texts: sentencePiece.tokens },
  'tokenizer.ggml.scores': { f32s: sentencePiece.scores },
  'tokenizer.ggml.token_type': { i32s: sentencePiece.types },
  'tokenizer.ggml.bos_token_id': { u32: 1 },
  'tokenizer.ggml.eos_token_id': { u32: 2 },
  'tokenizer.ggml.unknown_token_id': { u32: 0 },
  'tokenizer.chat_template': {
    text: '{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}',
  },
};

function load(metadata: Record<string, Value | undefined>) {
  const given = Object.entries(metadata).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  writeGguf(file, { metadata: Object.fromEntries(given), tensors: [] });
  return loadTextModel(file, cache);
}

for (const [pre, expected] of Object.entries(byteLevel.ids)) {
  test(`texts split as ${pre} does encode as Hugging Face encodes them, and decode`, () => {
    const model = load({ ...byteLevelMetadata, 'tokenizer.ggml.pre': { text: pre } });
    texts.forEach((text, i) => {
      const ids = [...model.encodeText(text)];
      assert.equal(ids, expected[i], text);
      assert.is(model.decode(ids), pre === 'qwen2' ? text.normalize('NFC') : text);
    });
  });
}

test('the ways of splitting differ on the texts of this test', () => {
  const all = Object.values(byteLevel.ids).map((ids) => JSON.stringify(ids));
  assert.is(new Set(all).size, all.length);
});

test('Llama 3 and Tekken take a word that is a token whole, whatever the merges say', () => {
  const word = byteLevel.tokens.findIndex((token) => /^\u0120?[A-Za-z]{3,}$/.test(token));
  const text = (byteLevel.tokens[word] as string).replace('\u0120', ' ');
  const without = { ...byteLevelMetadata, 'tokenizer.ggml.merges': { texts: [] } };
  for (const [pre, whole] of [
    ['llama-bpe', true],
    ['tekken', true],
    ['gpt-2', false],
  ] as const) {
    const model = load({ ...without, 'tokenizer.ggml.pre': { text: pre } });
    assert.is(model.encodeText(text).length, whole ? 1 : text.length, pre);
  }
});

test('texts encode as SentencePiece encodes them, and decode', () => {
  const model = load(sentencePieceMetadata);
  texts.forEach((text, i) => {
    const ids = [...model.encodeText(text)];
    assert.equal(ids, sentencePiece.ids[i], text);
    // U+2581 stands for the space there
    assert.is(model.decode(ids), text.replaceAll('\u2581', ' '));
  });
});

test('no space stands before the text where the metadata say so', () => {
  const model = load({ ...sentencePieceMetadata, 'tokenizer.ggml.add_space_prefix': { bool: false } });
  const [first] = model.encodeText('Genre');
  const [prefixed] = load(sentencePieceMetadata).encodeText('Genre');
  assert.is.not(first, prefixed);
  assert.is(model.decode(model.encodeText(' Genre')), ' Genre');
});

test('the chat template and its tokens, ends and the size of the vocabulary come from the metadata', () => {
  const model = load(byteLevelMetadata);
  const text = (part: string) => [...model.encodeText(part)];
  assert.equal(
    [...model.encodePrompt('Hi <|im_end|>')],
    [size, ...text('user\nHi <|im_end|>'), size + 1, ...text('\n'), size, ...text('assistant\n')],
  );
  assert.not(text('<|im_end|>').includes(size + 1));
  assert.equal([...model.endTokens], [size + 1, size + 2]);
  assert.is(model.vocabularySize, size + 5);
  // an added token that is no control token is ordinary text
  assert.equal(text('a    b'), [...text('a'), size + 3, ...text('b')]);
  assert.is(model.decode([size, ...text('x'), size + 3, size + 1, size + 4]), 'x    ');

  const llama = load(sentencePieceMetadata);
  assert.equal([...llama.endTokens], [2]);
  assert.is(llama.encodePrompt('Hi')[0], 1);
  const eot = { 'tokenizer.ggml.eot_token_id': { u32: 7 }, 'tokenizer.ggml.eom_token_id': { u32: 9 } };
  assert.equal([...load({ ...sentencePieceMetadata, ...eot }).endTokens], [2, 7, 9]);
});

test('errors name the GGUF file, not the folder that was made of it', () => {
  const model = load({ ...byteLevelMetadata, 'tokenizer.chat_template': undefined });
  assert.ok(errorOf(() => model.encodePrompt('Hi')).message.startsWith(`${file} has no chat template`));
});

test('the folder is written once, whole, and named after the metadata', () => {
  load(byteLevelMetadata);
  const path = textFolderOf(file, cache);
  assert.equal(readdirSync(path).sort(), ['config.json', 'tokenizer.json', 'tokenizer_config.json']);
  const config = join(path, 'config.json');
  const before = readFileSync(config, 'utf8');
  writeFileSync(config, `${before} `);
  assert.is(textFolderOf(file, cache), path);
  assert.is(readFileSync(config, 'utf8'), `${before} `);
  writeFileSync(config, before);
  load(sentencePieceMetadata);
  assert.is.not(textFolderOf(file, cache), path);
  assert.equal(
    readdirSync(cache).filter((name) => name.includes('.tmp-')),
    [],
  );
});

test('a folder is its own text side; a cache that can’t be written is told', () => {
  assert.is(textFolderOf('data-samples/model', cache), 'data-samples/model');
  load(byteLevelMetadata);
  const occupied = join(folder, 'occupied');
  writeFileSync(occupied, '');
  const error = errorOf(() => textFolderOf(file, join(occupied, 'cache')));
  assert.is(error.exitCode, 1);
  assert.match(error.message, /the model's cache could not be written/);
});

const refusals: [string, Record<string, Value | undefined>, RegExp][] = [
  [
    'another kind of tokenizer',
    { 'tokenizer.ggml.model': { text: 't5' } },
    /has a tokenizer of the kind t5, which isn't supported; gpt2 \(byte-level BPE\) and llama \(SentencePiece BPE\) are/,
  ],
  [
    'another way of splitting',
    { 'tokenizer.ggml.pre': { text: 'chatglm-bpe' } },
    /splits texts as chatglm-bpe does, which isn't supported; default, gpt-2, smollm, .*tekken are/,
  ],
  [
    'no way of splitting',
    { 'tokenizer.ggml.pre': undefined },
    /doesn't say how it splits texts \(tokenizer.ggml.pre\)/,
  ],
  ['no tokens', { 'tokenizer.ggml.tokens': undefined }, /lacks tokenizer.ggml.tokens in its metadata/],
  ['no merges', { 'tokenizer.ggml.merges': undefined }, /lacks tokenizer.ggml.merges in its metadata/],
  [
    'types of another number of tokens',
    { 'tokenizer.ggml.token_type': { i32s: [1] } },
    /has \d+ tokens, and the types of 1/,
  ],
  [
    'the same token twice',
    { 'tokenizer.ggml.tokens': { texts: ['a', 'b', 'a'] }, 'tokenizer.ggml.token_type': { i32s: [1, 1, 1] } },
    /the tokens 0 and 2 are the same, "a"/,
  ],
];

for (const [what, change, message] of refusals) {
  test(`refused: ${what}`, () => {
    const error = errorOf(() => load({ ...byteLevelMetadata, ...change }));
    assert.is(error.exitCode, 2, error.stack);
    assert.match(error.message, message);
    assert.equal(
      readdirSync(cache).filter((name) => name.includes('.tmp-')),
      [],
    );
  });
}

test('refused: SentencePiece without scores, or with too few', () => {
  const without = errorOf(() => load({ ...sentencePieceMetadata, 'tokenizer.ggml.scores': undefined }));
  assert.match(without.message, /lacks tokenizer.ggml.scores in its metadata/);
  const few = errorOf(() => load({ ...sentencePieceMetadata, 'tokenizer.ggml.scores': { f32s: [1, 2] } }));
  assert.match(few.message, /has 600 tokens, and the scores of 2/);
});

test.run();
