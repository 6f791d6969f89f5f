import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TextModel } from '../../src/text/tokenizer.js';
import {
  errorOf,
  inFolder,
  modelOf,
  reference,
  referenceModel,
  sampleFolder,
  sampleTemplate,
  sampleTokenizer,
  withTemplate,
} from './fixture.js';

const sample = TextModel.load(sampleFolder);

interface Oracle {
  id: string;
  prompt: string;
  text: string;
  prompt_ids: number[];
  output_ids: number[];
}

const oracle = readFileSync('tests/golden/model-reference.jsonl', 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Oracle);

test('prompts of the embedded model encode as transformers encodes them, all 36', () => {
  assert.is(oracle.length, 36);
  for (const row of oracle) assert.equal([...sample.encodePrompt(row.prompt)], row.prompt_ids, row.id);
});

test('texts of the embedded model decode as transformers decodes them, and encode to the same ids', () => {
  // A name that the model made up was written in other pieces than the tokenizer chooses.
  const invented = new Set<string>();
  for (const { id, text, output_ids } of oracle) {
    assert.is(sample.decode(output_ids), text, id);
    const ids = [...sample.encodeText(text)];
    if (ids.join() !== output_ids.slice(0, -1).join()) invented.add(id);
    assert.is(sample.decode(ids), text);
  }
  assert.is(invented.size, 1);
});

test('chats of three kinds of tokenizers and five templates encode as Hugging Face encodes them', () => {
  const models = new Map<string, TextModel>();
  for (const { tokenizer, template, messages, ids, text } of reference.cases) {
    const key = `${tokenizer} ${template}`;
    const model = models.get(key) ?? referenceModel(tokenizer, template);
    models.set(key, model);
    assert.equal([...model.encodeChat(messages)], ids, `${key}: ${JSON.stringify(text)}`);
    const [only] = messages;
    if (messages.length === 1) assert.equal([...model.encodePrompt(only?.content ?? '')], ids, key);
  }
  assert.is(models.size, 15);
});

test('texts of three kinds of tokenizers encode and decode as Hugging Face does', () => {
  for (const { tokenizer, text, ids, decoded } of reference.texts) {
    const model = referenceModel(tokenizer, 'plain');
    assert.equal([...model.encodeText(text)], ids, `${tokenizer}: ${text}`);
    assert.is(model.decode(ids), decoded, `${tokenizer}: ${text}`);
  }
});

test('what is known of the embedded model', () => {
  assert.equal([...sample.endTokens], [2]);
  assert.is(sample.vocabularySize, 6144);
  assert.equal([...sample.generationPrompt], [201, 1, 983, 682, 385, 201]);
  assert.match(sample.fingerprint, /^[0-9a-f]{64}$/);
});

const specials = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
const data = fc.array(
  fc.oneof(fc.constantFrom(...specials, '\n', 'user', ' '), fc.string({ unit: 'binary', maxLength: 8 })),
  {
    maxLength: 8,
  },
);

test('no text ever becomes a special token, and no prompt opens another turn (property)', () => {
  const frame = sample.encodePrompt('x').filter((id) => id <= 2);
  fc.assert(
    fc.property(data, (parts) => {
      const text = parts.join('');
      assert.not.ok(
        [...sample.encodeText(text)].some((id) => id <= 2),
        JSON.stringify(text),
      );
      assert.equal([...sample.encodePrompt(text).filter((id) => id <= 2)], [...frame]);
      // ... and nothing is lost: what was encoded decodes to the text itself.
      assert.is(sample.decode(sample.encodeText(text)), text);
    }),
    { numRuns: 500 },
  );
});

for (const tokenizer of ['unigram', 'llama', 'sample']) {
  test(`special tokens in data stay data for the tokenizer "${tokenizer}"`, () => {
    const model = referenceModel(tokenizer, 'default-system');
    const added = reference.tokenizers[tokenizer]?.added_tokens as {
      id: number;
      content: string;
      special: boolean;
    }[];
    const controls = added.filter(({ content, special }) => special || content === '<think>');
    const ids = new Set(controls.filter(({ content }) => content !== '<unk>').map(({ id }) => id));
    assert.ok(ids.size >= 6);
    const frame = [...model.encodePrompt('x')].filter((id) => ids.has(id));
    for (const { content } of controls) {
      for (const text of [content, `a${content}`, `a ${content} b`, content.repeat(3)]) {
        assert.not.ok(
          [...model.encodeText(text)].some((id) => ids.has(id)),
          text,
        );
        assert.equal(
          [...model.encodePrompt(text)].filter((id) => ids.has(id)),
          frame,
          text,
        );
      }
    }
  });
}

test('a special token that is in the vocabulary, made by merges, or a whole word stays out of reach', () => {
  const json = {
    added_tokens: [
      { id: 4, content: '<ab>', special: true },
      { id: 5, content: '!', special: true },
    ],
    model: {
      type: 'BPE',
      ignore_merges: true,
      vocab: { '<': 0, a: 1, b: 2, '>': 3, '<ab>': 4, '!': 5, ab: 6, '<ab': 7 },
      merges: ['a b', '< ab', '<ab >'],
    },
  };
  const model = modelOf({ 'tokenizer.json': json });
  assert.equal([...model.encodeText('<ab>')], [7, 3]);
  // A single character stays ordinary, or it would be lost.
  assert.equal([...model.encodeText('a!')], [1, 5]);
});

test("encoding equals the library's own where the text holds no special token (property)", () => {
  const library = new Tokenizer(sampleTokenizer, {});
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
      fc.pre(!specials.some((special) => text.includes(special)));
      assert.equal([...sample.encodeText(text)], library.encode(text, { add_special_tokens: false }).ids);
    }),
    { numRuns: 500 },
  );
});

test('encoding and decoding give the text back: ASCII and Unicode (property)', () => {
  for (const unit of ['binary-ascii', 'grapheme', 'binary'] as const) {
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 100 }), (text) => {
        assert.is(sample.decode(sample.encodeText(text)), text);
      }),
      { numRuns: 300 },
    );
  }
});

test('half a surrogate pair becomes the replacement character', () => {
  assert.is(sample.decode(sample.encodeText('a\uD83Cb\uDFACc🎬')), 'a\uFFFDb\uFFFDc🎬');
});

test('nothing encodes to nothing and decodes from nothing', () => {
  assert.equal([...sample.encodeText('')], []);
  assert.is(sample.decode([]), '');
  assert.is(sample.decode([0, 1, 2]), '');
  assert.is(sample.decode([999_999]), '');
  assert.equal([...sample.encodePrompt('')].slice(-8), [201, 2, 201, 1, 983, 682, 385, 201]);
});

for (const [template, tokenizer, ids] of [
  ['chatml-trim', 'sample', [201, 201, 6147, 983, 682, 385, 201]],
  ['default-system', 'sample', [201, 6145, 983, 682, 385, 201]],
  // Nothing follows the token that closes the message: it is where the answer starts.
  ['llama2', 'sample', [6150]],
  ['dated', 'sample', [6147]],
  // No control token at all: "\nASSISTANT:", found by comparison.
  ['plain', 'sample', [201, 35, 53, 53, 43, 53, 54, 35, 48, 54, 28]],
] as const) {
  test(`the start of an answer: ${template}`, () => {
    const model = referenceModel(tokenizer, template);
    assert.equal([...model.generationPrompt], [...ids]);
    assert.equal([...model.encodePrompt('Movie: Up')].slice(-ids.length), [...ids]);
  });
}

test('the end of an answer: what the template puts after one, else eos_token, else the first end token', () => {
  const template = (after: string) =>
    `{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}${after}\n{% endfor %}`;
  const ends = { 'generation_config.json': { eos_token_id: [0, 1, 2] } };
  const end = (config: object) =>
    modelOf({ 'tokenizer.json': sampleTokenizer, ...ends, 'tokenizer_config.json': config }).answerEnd;
  assert.is(end({ chat_template: template('<|im_end|>') }), 2);
  assert.is(end({ chat_template: template('<|im_end|>'), eos_token: '<|im_start|>' }), 2);
  assert.is(end({ chat_template: template(''), eos_token: '<|im_start|>' }), 1);
  assert.is(end({ eos_token: '<|im_end|>' }), 2);
  assert.is(end({}), 0);
  assert.is(modelOf({ 'tokenizer.json': sampleTokenizer }).answerEnd, undefined);
});

test('end tokens come from all three files', () => {
  const config = { eos_token: '<|im_end|>' };
  for (const [files, ids] of [
    [{}, []],
    [{ 'tokenizer_config.json': config }, [2]],
    [{ 'config.json': { eos_token_id: 7 } }, [7]],
    [
      {
        'generation_config.json': { eos_token_id: [9, 5] },
        'config.json': { eos_token_id: 7 },
        'tokenizer_config.json': config,
      },
      [2, 5, 7, 9],
    ],
    [{ 'config.json': { eos_token_id: null } }, []],
    [{ 'tokenizer_config.json': { eos_token: '<unknown>' } }, []],
  ] as const) {
    assert.equal([...modelOf({ 'tokenizer.json': sampleTokenizer, ...files }).endTokens], [...ids]);
  }
});

test('the vocabulary is as large as the largest id or the weights', () => {
  const size = (vocab_size?: number) =>
    modelOf({ 'tokenizer.json': sampleTokenizer, 'config.json': { vocab_size } }).vocabularySize;
  assert.is(size(), 6144);
  assert.is(size(6200), 6200);
  assert.is(size(100), 6144);
  assert.is(referenceModel('sample', 'plain').vocabularySize, 6153);
  assert.is(referenceModel('unigram', 'plain').vocabularySize, 260);
});

test('the fingerprint tells tokenizers, templates and end tokens apart', () => {
  const config = { eos_token: '<|im_end|>', chat_template: sampleTemplate };
  const files = { 'tokenizer.json': sampleTokenizer, 'tokenizer_config.json': config };
  const prints = [
    files,
    { ...files, 'tokenizer.json': { ...sampleTokenizer, version: '1.1' } },
    { ...files, 'tokenizer_config.json': { ...config, chat_template: `${sampleTemplate} ` } },
    { ...files, 'config.json': { eos_token_id: 3 } },
  ].map((each) => modelOf(each).fingerprint);
  assert.is(new Set(prints).size, 4);
  assert.is(modelOf({ ...files, 'config.json': { eos_token_id: 2 } }).fingerprint, prints[0]);
});

test('a missing folder or tokenizer.json is refused', () => {
  inFolder((folder) => {
    for (const path of [folder, join(folder, 'missing')]) {
      const error = errorOf(() => TextModel.load(path));
      assert.is(error.exitCode, 2);
      assert.is(error.message, `${join(path, 'tokenizer.json')} is missing`);
      assert.ok(error.hint);
    }
  });
});

test("a folder with SentencePiece's tokenizer.model alone is refused, and told how to convert it", () => {
  inFolder((folder) => {
    writeFileSync(join(folder, 'tokenizer.model'), '');
    const error = errorOf(() => TextModel.load(folder));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /tokenizer.json is missing: the SentencePiece file .*tokenizer.model alone/);
    assert.match(error.hint ?? '', /AutoTokenizer/);
  });
});

const cut = JSON.stringify(sampleTokenizer).slice(0, 5000);
for (const [what, file, content, words] of [
  ['cut off', 'tokenizer.json', cut, "isn't JSON, or is cut off"],
  ['empty', 'tokenizer.json', '', "isn't JSON, or is cut off"],
  ['another format', 'tokenizer.json', { a: 1 }, "isn't the file expected here: model:"],
  ['a list', 'tokenizer.json', [], "isn't the file expected here: its top level:"],
  [
    'an odd vocabulary',
    'tokenizer.json',
    { model: { vocab: { a: 'x' } } },
    "isn't the file expected here: model.vocab",
  ],
  [
    'an unknown model',
    'tokenizer.json',
    { model: { type: 'Magic', vocab: {} } },
    "isn't the file expected here: model.type",
  ],
  [
    'an unknown pre-tokenizer',
    'tokenizer.json',
    { ...sampleTokenizer, pre_tokenizer: { type: 'Magic' } },
    "can't be used: ",
  ],
  ['cut off', 'tokenizer_config.json', '{"a"', "isn't JSON, or is cut off"],
  [
    'an odd template',
    'tokenizer_config.json',
    { chat_template: 7 },
    "isn't the file expected here: chat_template:",
  ],
  ['cut off', 'config.json', '{', "isn't JSON, or is cut off"],
  [
    'an odd end token',
    'generation_config.json',
    { eos_token_id: 'x' },
    "isn't the file expected here: eos_token_id:",
  ],
] as const) {
  test(`${file}: ${what} is refused`, () => {
    const error = errorOf(() => modelOf({ 'tokenizer.json': sampleTokenizer, [file]: content }));
    assert.is(error.exitCode, 2);
    assert.ok(error.message.includes(`${file} ${words}`), error.message);
  });
}

test('text that the vocabulary has no token for is refused, not lost', () => {
  const json = { added_tokens: [], model: { type: 'WordPiece', vocab: { a: 0 }, unk_token: '[UNK]' } };
  const error = errorOf(() => modelOf({ 'tokenizer.json': json }).encodeText('é'));
  assert.is(error.exitCode, 2);
  assert.match(error.message, /the tokenizer has no token for a part of the text "é"/);
});

test('a model without a chat template encodes texts and refuses prompts', () => {
  const model = modelOf({ 'tokenizer.json': sampleTokenizer });
  assert.equal([...model.encodeText('Genre')], [...sample.encodeText('Genre')]);
  assert.is(model.generationPrompt.length, 0);
  const error = errorOf(() => model.encodePrompt('x'));
  assert.is(error.exitCode, 2);
  assert.match(error.message, /has no chat template/);
});

test('chat_template.jinja comes first, of several named templates the default', () => {
  const prompt = 'Movie: Up';
  const ids = [...sample.encodePrompt(prompt)];
  const other = "{{ messages[0]['content'] }}";
  assert.equal([...withTemplate(other, { 'chat_template.jinja': sampleTemplate }).encodePrompt(prompt)], ids);
  const named = [
    { name: 'tool_use', template: other },
    { name: 'default', template: sampleTemplate },
  ];
  assert.equal([...withTemplate(named).encodePrompt(prompt)], ids);
});

test.run();
