import { parseHTML } from 'linkedom';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { excerpt, figure, html, shown, visible } from '../../src/report/page/html.js';
import { page } from '../../src/report/page/page.js';
import { tick } from '../../src/report/page/plot.js';
import type { Evaluation, PageData } from '../../src/report/page/rows.js';
import { figuresOf, pageData, textOf } from './fixture.js';

for (const [value, format, text] of [
  [1234567, 'count', '1,234,567'],
  [60.5, 'count', '61'],
  [3.085, 'ratio', '3.09'],
  [0, 'nats', '0.00'],
  [0.0123, 'seconds', '0.012 s'],
  [99.94, 'seconds', '99.9 s'],
  [99.96, 'seconds', '1 min 40 s'],
  [3599.6, 'seconds', '1 h 00 min'],
  [0.00299, 'percent', '0.299%'],
  [1, 'percent', '100%'],
] as const) {
  test(`${value} as ${format} is ${text}`, () => assert.is(shown(value, format), text));
}

test('templates escape text, keep HTML, and show what no page may hold', () => {
  assert.is(html`<b>${'<script>"\'&'}</b>`.text, '<b>&lt;script&gt;&quot;&#39;&amp;</b>');
  assert.is(html`${[html`<i>`, '<i>']}${undefined}`.text, '<i>&lt;i&gt;');
  assert.is(visible('a\0b\u001bc\ud800d\te\nf🎬'), 'a\ufffdb\ufffdc\ufffdd\te\nf🎬');
  assert.is(
    figure('a.b', 1.25, 'ratio', ['x"y', '<']).text,
    '<data data-figure="a.b" data-key="[&quot;x\\&quot;y&quot;,&quot;&lt;&quot;]" value="1.25">1.25</data>',
  );
  assert.match(figure('a', null, 'count').text, /unknown/);
  assert.is(excerpt('🎬🎬🎬🎬', 3), '🎬🎬…');
  assert.is(tick('a\n b'), 'a b');
});

const sections: readonly [
  name: string,
  changes: Partial<PageData>,
  id: string,
  says: RegExp,
  doesNot?: RegExp,
][] = [
  ['what ran', {}, 'run', /1 users in 1 cohorts .* 2 prompts, .*segment2 ?0\.012 s.*model\/models\/a/],
  [
    'the speed that was measured',
    {
      comparison: {
        speedup: 1.5,
        prompts: 24,
        tokens_per_second: 3000,
        autoregressive_tokens_per_second: 2000,
      },
    },
    'run',
    /On 24 of the prompts decoding was 1\.50 times as fast .*: 3,000 against 2,000 tokens\/s/,
  ],
  ['no speed where none was measured', {}, 'run', /./, /times as fast/],
  [
    'times',
    {},
    'time',
    /segment 0\.012 s.*decode 75\.0 s.*load the model 1\.0 s.*the last command, which decoded 2 texts/,
  ],
  [
    'no times in the manifests',
    { stages: [{ stage: 'segment', rows: 1, seconds: null }], phases: [] },
    'time',
    /The manifests hold no times/,
  ],
  ['tokens a step', {}, 'drafting', /kar ?item ?2 ?61 ?617 ?3\.09 ?50%.*item-drama.*32 and more/],
  [
    'no counts of drafts',
    { draftedTexts: undefined, depths: [], matches: [] },
    'drafting',
    /holds no counts of drafts/,
  ],
  [
    'divergence',
    {},
    'divergence',
    /1 texts hold tokens .* at most 0\.75, .* 1\.35, none more than 1\.50; the budget is 4\.00/,
  ],
  [
    'no divergence',
    { divergence: [{ bin: 0, low: 0, high: 0, texts: 2 }] },
    'divergence',
    /No text spent any divergence/,
  ],
  ['cohorts', {}, 'cohorts', /Of items.*item-drama.*genre: Drama \(100%, of all 25%\).*Ran 7/],
  [
    'texts that spent the most',
    {},
    'relaxed',
    /are marked: .*kar:item:73?.*3 of 100 tokens relaxed, 1\.50 nats.*about power/,
  ],
  ['no relaxed texts', { relaxed: [] }, 'relaxed', /No text holds relaxed tokens/],
  ['slowest prompts', {}, 'slowest', /kar:item:7 ?item-drama ?50 ?100 ?2\.00 ?60 ?stop ?Describe Ran/],
  ['no warnings', {}, 'warnings', /warned of nothing.*stopthe model or a stop string ended it2/],
  [
    'warnings and errors',
    {
      warnings: [{ stage: 'decode', warning: 'a prompt failed' }],
      errors: [{ error: 'too long', prompts: 3, example: 'kar:item:9' }],
    },
    'warnings',
    /decode: a prompt failed.*too long3kar:item:9/,
  ],
  [
    'what is missing',
    { missing: ['the table cohorts'] },
    'missing',
    /What is missing here the table cohorts/,
  ],
];

for (const [name, changes, id, says, doesNot] of sections) {
  test(`section ${id}: ${name}`, () => {
    const text = textOf(page(pageData(changes)), id);
    assert.match(text, says);
    if (doesNot !== undefined) assert.not.match(text, doesNot);
  });
}

test('an evaluation: texts, vectors, click models and the statement, and that the texts are others by now', () => {
  const { texts, clicks, pairs, about } = pageData().evaluation as Evaluation;
  const [own] = clicks as [Evaluation['clicks'][number]];
  const reference = { ...own, setting: 'autoregressive', auc_difference: null, verdict: null };
  const found = { texts, clicks: [reference, { ...own, auc: null }], pairs, about };
  const text = textOf(page(pageData({ evaluation: found })), 'evaluation');
  assert.match(text, /decoded 1,100 prompts .* The partition has had other texts since\./);
  assert.match(text, /relaxeditemkar6004\.8274\.2%0\.97900\.393\.531\.05900\.00300\.2340/);
  assert.match(text, /7,935 ratings, 5 times.*relaxed: no worse/);
  assert.match(text, /autoregressive0\.82550\.5064 ?relaxedunknown0\.50640\.0007-0\.00050\.0017non-inferior/);
  const bare = textOf(page(pageData({ evaluation: { ...found, about: undefined } })), 'evaluation');
  assert.not.match(bare, /prompts|ratings|since/);
  assert.is(textOf(page(pageData({ evaluation: undefined })), 'evaluation'), '');
});

test('relaxed tokens are marked, in texts that need escaping too; where they are not known that is said', () => {
  const [one] = pageData().relaxed as [PageData['relaxed'][number]];
  const quoted = (changes: Partial<typeof one>) => {
    const { document } = parseHTML(page(pageData({ relaxed: [{ ...one, ...changes }] })));
    return document.querySelector('#relaxed blockquote')?.innerHTML;
  };
  assert.is(quoted({}), 'A <mark>drama</mark> about <mark>power</mark>.');
  assert.is(quoted({ text: '<b>&', marks: [{ start: 0, end: 3 }] }), '<mark>&lt;b&gt;</mark>&amp;');
  assert.match(quoted({ marks: undefined }) ?? '', /^A drama about power\.\s*<small>\(which tokens/);
});

test('many cohorts: the largest are shown, and how many are left out', () => {
  const [one] = pageData().cohorts as [PageData['cohorts'][number]];
  const cohorts = Array.from({ length: 45 }, (_, i) => ({ ...one, cohort: `c${i}` }));
  const text = page(pageData({ cohorts }));
  assert.match(textOf(text, 'cohorts'), /5 smaller ones are left out/);
  assert.match(textOf(text, 'drafting'), /the 16 largest of 45/);
});

/** Every text of the data, wherever it stands, replaced. */
function spoiled(value: unknown, text: string): unknown {
  if (typeof value === 'string') return text;
  if (Array.isArray(value)) return value.map((one) => spoiled(one, text));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, spoiled(one, text)]));
}

const tags = (text: string) =>
  [...parseHTML(text).document.querySelectorAll('*')].map(({ tagName }) => tagName.toLowerCase());

for (const evil of [
  `<script>alert("1")</script>`,
  `'"><img src=x onerror='alert(1)'>`,
  `</style></title></svg><script>alert(1)</script>`,
  `&lt;b&gt; &#x3c;script&#x3e;`,
  `a\0b\u0001</data>`,
  `]]><!-- -->`,
]) {
  test(`untrusted texts stay texts: ${JSON.stringify(evil)}`, () => {
    // entity_type decides which plots there are, phase what a part is called
    const { cohorts, phases } = pageData();
    const harmless = { comparison: undefined, cohorts: [...cohorts], phases, errors: [], warnings: [] };
    const plain = page({ ...(spoiled(pageData(), 'harmless') as PageData), ...harmless });
    const text = page({ ...(spoiled(pageData(), evil) as PageData), ...harmless });
    assert.equal(tags(text), tags(plain), 'the same elements');
    assert.not.ok(tags(text).includes('script'));
    assert.is(text.includes('\0') || text.includes('\u0001'), false);
    assert.is(
      parseHTML(text).document.querySelector('h1')?.textContent,
      `Recommendation texts, partition ${visible(evil)}`,
    );
    for (const { value } of figuresOf(text)) assert.ok(Number.isFinite(value));
  });
}

for (const [name, autoregressive, relaxed, frames] of [
  ['another word', 'a warm pride here', 'a warm power here', ['pride', 'power']],
  ['the first word', 'one', 'two', ['one', 'two']],
  ['an end', 'a warm drama', 'a warm drama of war', ['(ends here)', ' of']],
  ['a character of two units', 'so 🎬', 'so 🎭', ['🎬', '🎭']],
  ['far behind', `${'w '.repeat(2000)}x y`, `${'w '.repeat(2000)}z y`, ['x', 'z']],
] as const) {
  test(`where two texts first differ is framed: ${name}`, () => {
    const evaluation = pageData().evaluation as Evaluation;
    const [pair] = evaluation.pairs as [Evaluation['pairs'][number]];
    const marks = [{ start: 0, end: 1 }];
    const pairs = [{ ...pair, autoregressive, relaxed, marks }];
    const { document } = parseHTML(page(pageData({ evaluation: { ...evaluation, pairs } })));
    const quotes = [...document.querySelectorAll('#evaluation blockquote')];
    assert.equal(
      quotes.map((quote) => quote.querySelector('.first')?.textContent),
      frames,
    );
    assert.ok(quotes.every(({ textContent }) => (textContent ?? '').length < 1600));
    const [before, after] = quotes.map((quote) => quote.querySelectorAll('mark').length);
    assert.equal([before, after], [0, name === 'far behind' ? 0 : 1]);
  });
}

test('a cohort whose name is markup is one in the drawings too', () => {
  const evil = `"><script>1</script>`;
  const cohorts = pageData().cohorts.map((row) => ({ ...row, cohort: evil }));
  const { document } = parseHTML(page(pageData({ cohorts, traits: [], members: [] })));
  assert.is(document.querySelectorAll('script').length, 0);
  const drawn = [...document.querySelectorAll('svg text')].map(({ textContent }) => textContent);
  assert.ok(drawn.includes(tick(evil)), drawn.join());
});

test('the page asks for nothing: no scripts, no addresses, a policy that forbids them', () => {
  const text = page(pageData());
  const { document } = parseHTML(text);
  assert.is(document.querySelectorAll('script, iframe, object, embed, img').length, 0);
  const [icon, ...others] = [...document.querySelectorAll('[src], [href]')];
  assert.is(icon?.getAttribute('href'), 'data:,');
  assert.is(others.length, 0);
  assert.match(text, /Content-Security-Policy" content="default-src 'none'/);
  assert.not.match(text.replaceAll('http://www.w3.org/', ''), /https?:|url\(|@import/);
});

test.run();
