import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type PreTokenizer, rememberWords } from '../../src/text/byte-words.js';
import { sampleFolder } from './fixture.js';

const json = JSON.parse(readFileSync(join(sampleFolder, 'tokenizer.json'), 'utf8')) as object;
const byteLevel = { type: 'ByteLevel', trim_offsets: true };
const split = { type: 'Split', pattern: { Regex: '\\s?\\w+' }, behavior: 'Isolated', invert: false };

const words = fc.oneof(
  fc.constantFrom(' the', 'film', ' é', '\n', '🎬 ', '12', "'s "),
  fc.string({ unit: 'binary' }),
);

for (const [name, preTokenizer] of [
  ['of words', { ...byteLevel, add_prefix_space: false, use_regex: true }],
  ['of words, with a space before the first', { ...byteLevel, add_prefix_space: true, use_regex: true }],
  [
    'of what another one split',
    {
      type: 'Sequence',
      pretokenizers: [split, { ...byteLevel, add_prefix_space: false, use_regex: false }],
    },
  ],
] as const) {
  test(`a byte-level pre-tokenizer ${name} that remembers them makes what it made before (property)`, () => {
    const made = () =>
      (
        new Tokenizer({ ...json, pre_tokenizer: preTokenizer }, {}) as unknown as {
          pre_tokenizer: PreTokenizer;
        }
      ).pre_tokenizer;
    const [plain, remembering] = [made(), made()];
    // so few that they are forgotten too
    rememberWords(remembering, { most: 3, longest: 6 });
    fc.assert(
      fc.property(fc.array(words, { maxLength: 12 }), (all) => {
        const text = all.join('');
        assert.equal(remembering.pre_tokenize_text(text), plain.pre_tokenize_text(text));
      }),
    );
  });
}

test('other pre-tokenizers, and none, are left as they are', () => {
  const other: PreTokenizer = { pre_tokenize_text: (text) => [text], tokenizers: [null] };
  const { pre_tokenize_text } = other;
  rememberWords(other);
  assert.is(other.pre_tokenize_text, pre_tokenize_text);
  rememberWords(null);
});

test.run();
