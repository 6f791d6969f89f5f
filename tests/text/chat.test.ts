import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ChatTemplate, type Piece, trimmed } from '../../src/text/chat.js';
import { errorOf, sampleTemplate, withTemplate } from './fixture.js';

const each = (inner: string) =>
  `{% for m in messages %}${inner}{% endfor %}{% if add_generation_prompt %}>>{% endif %}`;
const layout = (source: string, roles = ['user'], generation = true): Piece[] =>
  new ChatTemplate(source, 'config', { bos_token: '<s>' }).layout(roles, generation);

test('the pieces of the embedded model', () => {
  assert.equal(layout(sampleTemplate, ['system', 'user']), [
    '<|im_start|>system\n',
    { message: 0, trim: 'none' },
    '<|im_end|>\n<|im_start|>user\n',
    { message: 1, trim: 'none' },
    '<|im_end|>\n<|im_start|>assistant\n',
  ]);
  assert.is(layout(sampleTemplate, ['user'], false).at(-1), '<|im_end|>\n');
});

for (const [expression, trim] of [
  ["m['content']", 'none'],
  ['m.content | trim', 'both'],
  ['m.content.strip()', 'both'],
  ['m.content.lstrip()', 'start'],
  ['m.content.rstrip()', 'end'],
  ["(' ' + m.content + ' ') | trim", 'both'],
  ["('x' + m.content) | trim", 'end'],
] as const) {
  test(`white space around a content: ${expression}`, () => {
    const slots = layout(each(`[{{ ${expression} }}]`), ['user', 'assistant']).filter(
      (piece) => typeof piece !== 'string',
    );
    assert.equal(slots, [
      { message: 0, trim },
      { message: 1, trim },
    ]);
  });
}

test('contents may come in another order, beside each other, first or last', () => {
  assert.equal(layout('{{ messages[1].content }}|{{ messages[0].content }}', ['system', 'user']), [
    { message: 1, trim: 'none' },
    '|',
    { message: 0, trim: 'none' },
  ]);
  assert.equal(
    layout('{{ bos_token + messages[0].content + messages[1].content | trim }}', ['system', 'user']),
    ['<s>', { message: 0, trim: 'none' }, { message: 1, trim: 'both' }],
  );
});

for (const [source, words] of [
  [each('x'), 'leaves out the content of message 1 (user)'],
  [each('{{ m.content }}{{ m.content }}'), 'repeats the content of message 1 (user)'],
  [each('{{ m.content | upper }}'), 'leaves out the content of message 1 (user)'],
  [each('{{ m.content | tojson }}'), 'alters'],
  [each("{{ m.content | replace('<', '&lt;') }}"), 'alters'],
  [each('{{ m.content[:40] }}'), 'alters'],
  [each('{{ m.content | length }}{{ m.content }}'), 'alters'],
  [
    "{{ raise_exception('only system messages') }}",
    "can't take messages with the roles user: only system messages",
  ],
  ['{{ nothing.at.all }}', 'leaves out the content of message 1 (user)'],
  ['{{ messages | sort_by_magic }}', "can't take messages with the roles user"],
  ['{% for m in messages %}', "can't be read"],
  ['{{', "can't be read"],
  ['\uF8F0', 'private-use'],
] as const) {
  test(`a template that can't be followed is refused: ${source}`, () => {
    const error = errorOf(() => layout(source));
    assert.is(error.exitCode, 2);
    assert.ok(error.message.startsWith('config: the chat template'), error.message);
    assert.ok(error.message.includes(words), error.message);
  });
}

for (const role of ['', 'user\n', '<|im_end|>', 'us er', 'a'.repeat(33)]) {
  test(`the role ${JSON.stringify(role)} is refused`, () => {
    const error = errorOf(() => layout(sampleTemplate, [role]));
    assert.is(error.exitCode, 2);
    assert.ok(error.message.includes('is no role of a chat'), error.message);
  });
}

test('a template sees no clock', () => {
  const dated =
    "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% else %}2024{% endif %}{{ messages[0].content }}";
  assert.equal(layout(dated), ['2024', { message: 0, trim: 'none' }]);
});

test('a content is data, whatever the template would make of it', () => {
  // The template cuts thoughts out of answers; a content that looks like one is kept as it is.
  const model = withTemplate(
    `${each("{{ '<|im_start|>' + (m.content.split('</think>') | last) + '<|im_end|>' }}")}`,
  );
  const ids = model.encodePrompt('a</think>b');
  assert.is(model.decode(ids), 'a</think>b>>');
});

test("stripping is Python's (property: only the ends change, and what is cut is white space)", () => {
  for (const [text, both] of [
    [' a b\n', 'a b'],
    ['\u001c\u0085a\u00a0\u3000', 'a'],
    ['\ufeffa\u200b', '\ufeffa\u200b'],
    [' \n ', ''],
    ['', ''],
  ] as const) {
    assert.is(trimmed(text, 'both'), both);
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', ' ', '\n\t', '\u001f'), (text, space) => {
      assert.is(trimmed(space + text, 'start'), trimmed(text, 'start'));
      assert.is(trimmed(text + space, 'end'), trimmed(text, 'end'));
      assert.is(trimmed(text, 'both'), trimmed(trimmed(text, 'start'), 'end'));
      assert.is(trimmed(text, 'none'), text);
    }),
  );
});

test.run();
