import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bindTemplate, parseTemplate, templateColumns } from '../../src/text/template.js';

const columns = ['a', 'b', 'c'];

function render(source: string, values: Record<string, string>): string | undefined {
  const renderer = bindTemplate(parseTemplate(source, 't.txt'), columns, 'hint');
  return renderer(columns.map((column) => values[column] ?? ''));
}

const cases: [name: string, source: string, values: Record<string, string>, expected: string | undefined][] =
  [
    ['a column', '{a}', { a: 'x' }, 'x'],
    ['an empty column', '{a}-{b}', { a: 'x' }, 'x-'],
    ['spaces around a name', '{ a }', { a: 'x' }, 'x'],
    ['a required column that is there', '{a!}', { a: 'x' }, 'x'],
    ['a required column that is empty', '{a!} {b}', { b: 'y' }, undefined],
    ['a required column that is empty in a vanishing segment', '{a}[[ {b!}]]', { a: 'x' }, undefined],
    ['no value at all', 'x {a} [[{b}]]', { c: 'z' }, undefined],
    ['several columns', '{a, b,c}', { a: 'x', c: 'z' }, 'x, z'],
    ['several columns, required', '{a}{b, c!}', { a: 'x' }, undefined],
    ['a segment that stays', '{a}[[ B: {b}.]]', { a: 'x', b: 'y' }, 'x B: y.'],
    ['a segment that vanishes', '{a}[[ B: {b}.]]', { a: 'x' }, 'x'],
    ['a segment with one of two columns', '{a}[[ {b}{c}]]', { a: 'x', b: 'y' }, 'x'],
    ['an inner segment that vanishes', '{a}[[ ({b}[[, {c}]])]]', { a: 'x', b: 'y' }, 'x (y)'],
    ['an outer segment that vanishes', '{a}[[ ({b}[[, {c}]])]]', { a: 'x', c: 'z' }, 'x'],
    ['brackets inside a segment', '{a}[[ [{b}]]]', { a: 'x', b: 'y' }, 'x [y]'],
    ['a bracket that opens a segment', '[[[{a}]]]', { a: 'x' }, '[x]'],
    ['single brackets', '[{a}] ] [', { a: 'x' }, '[x] ] ['],
    ['escapes', '\\{a\\} \\[\\[ \\]\\] \\\\ {a}', { a: 'x' }, '{a} [[ ]] \\ x'],
    ['braces in a value', '{a}', { a: '{b} [[c]] \\' }, '{b} [[c]] \\'],
    ['lines', 'one\n{a}\n', { a: 'x' }, 'one\nx'],
    ['only one line break is dropped', '{a}\n\n', { a: 'x' }, 'x\n'],
    ['Windows line ends and byte order mark', '\uFEFFone\r\n{a}\r\n', { a: 'x' }, 'one\nx'],
  ];
for (const [name, source, values, expected] of cases) {
  test(`renders ${name}`, () => assert.is(render(source, values), expected));
}

const mistakes: [source: string, message: RegExp][] = [
  ['one\ntwo {a', /t\.txt is wrong in line 2: "{" is never closed/],
  ['{a\n}', /line 1: "{" is never closed/],
  ['{a{b}}', /line 1: "{" is never closed/],
  ['{a}\n\n}', /line 3: "}" has no "{" before it/],
  ['{a}\n[[ {b}\n\n', /line 2: "\[\[" is never closed/],
  ['{a} ]]', /line 1: "\]\]" has no "\[\[" before it/],
  ['{a}\n{}', /line 2: {} lacks a column's name/],
  ['{a,,b}', /lacks a column's name/],
  ['{!}', /lacks a column's name/],
  ['{a}\n[[ text ]]', /line 2: a segment \[\[ \]\] has no column/],
  ['{a}\\n', /line 1: a backslash/],
  ['{a}\\', /line 1: a backslash/],
  ['no column', /t\.txt names no column/],
  ['', /t\.txt names no column/],
];
for (const [source, message] of mistakes) {
  test(`refuses ${JSON.stringify(source)}`, () => {
    assert.throws(
      () => parseTemplate(source, 't.txt'),
      (error: Error & { exitCode: number }) => {
        return error.exitCode === 2 && message.test(error.message);
      },
    );
  });
}

test('an unknown column is named with the file, the line and the columns there are', () => {
  const template = parseTemplate('{a}\n{b, titel}', '/x/kar-item.txt');
  assert.equal(templateColumns(template), ['a', 'b', 'titel']);
  assert.throws(
    () => bindTemplate(template, ['a', 'b'], 'hint'),
    /\/x\/kar-item\.txt names the unknown column "titel" in line 2; the columns there are: a, b$/,
  );
});

/** A template as a tree, from which both its text and, by the definition in template.ts, its rendering follow. */
type Node = { text: string } | { names: string[]; required: boolean } | { inner: Node[] };

function write(nodes: Node[]): string {
  return nodes
    .map((node) => {
      if ('text' in node) return node.text.replaceAll(/[{}[\]\\]/g, '\\$&');
      if ('inner' in node) return `[[${write(node.inner)}]]`;
      return `{${node.names.join(',')}${node.required ? '!' : ''}}`;
    })
    .join('');
}

function value(names: string[], row: Record<string, string>): string {
  return names.flatMap((name) => row[name] || []).join(', ');
}

function expand(nodes: Node[], row: Record<string, string>): string {
  return nodes
    .map((node) => {
      if ('text' in node) return node.text;
      if ('names' in node) return value(node.names, row);
      const lacks = node.inner.some((part) => 'names' in part && value(part.names, row) === '');
      return lacks ? '' : expand(node.inner, row);
    })
    .join('');
}

function placeholders(nodes: Node[]): { names: string[]; required: boolean }[] {
  return nodes.flatMap((node) => ('inner' in node ? placeholders(node.inner) : 'names' in node ? node : []));
}

const text = fc.record({
  text: fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '\\', 'x', ' ', '\n', ',', '!') }),
});
const placeholder = fc.record({
  names: fc.array(fc.constantFrom(...columns), { minLength: 1, maxLength: 3 }),
  required: fc.boolean(),
});
const { nodes } = fc.letrec<{ nodes: Node[]; segment: Node }>((tie) => ({
  nodes: fc.array(fc.oneof({ maxDepth: 3 }, text, placeholder, tie('segment')), { maxLength: 5 }),
  segment: fc.tuple(placeholder, tie('nodes'), fc.boolean()).map(([own, others, first]) => {
    return { inner: first ? [own, ...others] : [...others, own] };
  }),
}));
const row = fc.record(
  Object.fromEntries(columns.map((column) => [column, fc.constantFrom('', 'v', '{a}', ']]')])),
);

test('parsing what was written and rendering it agrees with the definition', () => {
  fc.assert(
    fc.property(nodes, placeholder, row, (parts, last, values) => {
      const tree = [...parts, last];
      const all = placeholders(tree);
      const none = all.every(({ names }) => value(names, values) === '');
      const lacks = all.some(({ names, required }) => required && value(names, values) === '');
      assert.is(render(write(tree), values), none || lacks ? undefined : expand(tree, values));
    }),
    { numRuns: 500 },
  );
});

test.run();
