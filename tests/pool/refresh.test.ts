/** Pools brought up to date: what is built anew, what is taken over, what a cap leaves, and what a failure leaves. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { calibrate } from '../../src/draft/calibrate.js';
import type { TextRules } from '../../src/lake/pool-texts.js';
import { buildTrie } from '../../src/pool/build.js';
import { documentOf, type PoolSettings } from '../../src/pool/builder.js';
import { encodePool } from '../../src/pool/file.js';
import { loadPools, type PoolEntry, readPoolList } from '../../src/pool/folder.js';
import { type Refreshed, type RefreshJob, refreshPools } from '../../src/pool/refresh.js';
import { SharedGrams } from '../../src/pool/sharing.js';
import { Counters } from '../../src/report/counters.js';
import { countingProgress, silentProgress } from '../../src/report/progress.js';
import type { StageTools } from '../../src/stage.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { writeTable } from '../prompts/fixture.js';

const columns = { prompt_id: 'VARCHAR', entity_type: 'VARCHAR', cohort: 'VARCHAR', text: 'VARCHAR' };
interface Row {
  prompt_id?: string;
  entity_type?: string | null;
  cohort?: string | null;
  text: string;
}

const settings: PoolSettings = {
  tokenizer: 'characters',
  maxLength: 4,
  generationPrompt: Int32Array.of(1, 2, 3, 4),
  endToken: 5,
};
const encode = (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0));
const silent = () => undefined;
const tools: StageTools = {
  signal: new AbortController().signal,
  log: { debug: silent, info: silent, warn: silent, error: silent },
  progress: silentProgress,
};

/** Rows -> `<folder>/<name>.parquet`. */
async function write(folder: string, name: string, rows: readonly Row[]): Promise<string> {
  const file = join(folder, `${name}.parquet`);
  await writeTable(file, columns, rows as readonly object[] as readonly Record<string, unknown>[]);
  return file;
}

type Change = Partial<RefreshJob> & Partial<Pick<StageTools, 'signal' | 'progress'>>;

function refresh(out: string, sources: readonly string[], change: Change = {}): Promise<Refreshed> {
  const { signal = tools.signal, progress = silentProgress, ...others } = change;
  const rules: TextRules = { keep: 'recent', exclude: [] };
  const parts = { settings, calibrate, encode, rules, manifest: {}, checkUnchanged: silent };
  const job = { out, sources, needsTexts: true, earlier: [out], ...parts, ...others };
  return refreshPools(job, { ...tools, signal, progress });
}

const counts = ({ built, takenOver, entries }: Refreshed) => [built, takenOver, entries.length];

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Name -> inode and hash of the content. */
function state(dir: string): Record<string, { inode: number; hash: string }> {
  const names = readdirSync(dir).sort();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(dir, name);
      return [name, { inode: statSync(path).ino, hash: hashOf(readFileSync(path)) }];
    }),
  );
}

const fileOf = ({ entries }: Refreshed, cohort: string | null) =>
  (entries.find((entry) => entry.cohort === cohort) as PoolEntry).file;

const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    prompt_id: `p${i}`,
    entity_type: 'item',
    cohort: `c${i % 3}`,
    text: `text number ${i} of love and war`,
  }));

test('nothing changed: nothing is built, and no file is touched', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const rows = rowsOf(12);
    const first = await refresh(out, [await write(folder, 'texts', rows)]);
    assert.equal(counts(first), [4, 0, 4]);
    const before = state(out);
    const second = await refresh(out, [await write(folder, 'texts', [...rows].reverse())]);
    assert.equal(counts(second), [0, 4, 4]);
    assert.is(second.version, first.version);
    const { '_manifest.json': manifest, ...files } = state(out);
    const { '_manifest.json': earlier, ...filesBefore } = before;
    assert.equal(files, filesBefore);
    assert.is(manifest?.hash, earlier?.hash);
  }));

test('built by one thread or by two: the same files, of all cohorts and where one has changed', () =>
  inFolder(async (folder) => {
    const rows = [...rowsOf(30), { prompt_id: 'x', entity_type: 'user', cohort: null, text: 'of no cohort' }];
    const all = await write(folder, 'texts', rows);
    const more = await write(folder, 'more', [{ ...(rows[0] as Row), prompt_id: 'y', text: 'a new text' }]);
    const hashes = async (tokensForThread: number) => {
      const out = join(folder, `pools-${tokensForThread}`);
      const first = await refresh(out, [all], { tokensForThread });
      const whole = state(out);
      const second = await refresh(out, [all, more], { tokensForThread });
      assert.equal(
        [counts(first), counts(second)],
        [
          [4, 0, 4],
          [2, 2, 4],
        ],
      );
      const contents = [whole, state(out)].map((files) =>
        Object.entries(files).map(([name, { hash }]) => [name, hash]),
      );
      return contents;
    };
    const alone = await hashes(Number.POSITIVE_INFINITY);
    assert.equal(await hashes(0), alone, 'the thread builds all');
    assert.equal(await hashes(300), alone, 'the thread comes in when some are built');
  }));

test('progress knows how many texts are read, those beyond a cap and those of pools that stay too', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const texts = await write(folder, 'texts', rowsOf(12));
    const phase = async (change: Change) => {
      const counters = new Counters();
      const progress = countingProgress(counters);
      progress.start('pools');
      await refresh(out, [texts], { ...change, progress });
      const { total, finished = 0, skipped = 0 } = counters.phase ?? {};
      return { total, done: finished + skipped, remaining: counters.remaining };
    };
    const all = { total: 12, done: 12, remaining: 0 };
    assert.equal(await phase({}), all);
    const nothing = { total: undefined, done: 0, remaining: undefined };
    assert.equal(await phase({}), nothing, 'all pools stay');
    assert.equal(await phase({ rules: { keep: 'recent', exclude: [], maxTokens: 60 } }), all, 'a cap');
  }));

test('one text changed: its cohort and the shared pool are built, the others stay', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const rows = rowsOf(12);
    const first = await refresh(out, [await write(folder, 'texts', rows)]);
    const before = state(out);
    const changed = rows.map((row, i) => (i === 4 ? { ...row, text: 'another' } : row));
    const second = await refresh(out, [await write(folder, 'texts', changed)]);
    assert.equal(counts(second), [2, 2, 4]);
    const after = state(out);
    for (const cohort of ['c0', 'c2']) {
      assert.is(fileOf(second, cohort), fileOf(first, cohort));
      assert.equal(after[fileOf(second, cohort)], before[fileOf(first, cohort)]);
    }
    for (const cohort of ['c1', null]) assert.not.ok(fileOf(first, cohort) in after, `${cohort}`);
    // as if they had been built from nothing
    const anew = join(folder, 'anew');
    await refresh(anew, [join(folder, 'texts.parquet')]);
    const hashesOf = (dir: string) => Object.entries(state(dir)).map(([name, { hash }]) => [name, hash]);
    assert.equal(hashesOf(out), hashesOf(anew));
    assert.is((await loadPools(out, 'characters', true)).version, second.version);
  }));

test('a cohort that is gone has no file; one that is new has one', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const rows = rowsOf(12);
    const first = await refresh(out, [await write(folder, 'texts', rows)]);
    const without = rows.filter(({ cohort }) => cohort !== 'c1');
    const second = await refresh(out, [await write(folder, 'texts', without)]);
    assert.equal(counts(second), [1, 2, 3]);
    assert.not.ok(fileOf(first, 'c1') in state(out));
    const third = await refresh(out, [await write(folder, 'texts', rows)]);
    assert.equal([counts(third), third.version], [[2, 2, 4], first.version]);
  }));

test('the next partition takes over from the one before: hard links, and only what is the same', () =>
  inFolder(async (folder) => {
    const [monday, tuesday] = [join(folder, 'monday'), join(folder, 'tuesday')];
    const rows = rowsOf(12);
    const first = await refresh(monday, [await write(folder, '1', rows)]);
    const sources = [
      join(folder, '1.parquet'),
      await write(folder, '2', [{ ...rows[2], text: 'new' } as Row]),
    ];
    const second = await refresh(tuesday, sources, { earlier: [tuesday, monday] });
    assert.equal([counts(second), second.superseded], [[2, 2, 4], 1]);
    for (const cohort of ['c0', 'c1'])
      assert.is(
        statSync(join(tuesday, fileOf(second, cohort))).ino,
        statSync(join(monday, fileOf(first, cohort))).ino,
      );
    // once more: its own pools come first, and the links stay links without leaving anything beside them
    const again = await refresh(tuesday, sources, { earlier: [tuesday, monday] });
    assert.equal(counts(again), [0, 4, 4]);
    assert.is(readdirSync(tuesday).length, 5);
    rmSync(join(tuesday, '_manifest.json'));
    assert.equal(counts(await refresh(tuesday, sources, { earlier: [monday] })), [2, 2, 4]);
    assert.is(readdirSync(tuesday).length, 5);
    assert.equal(counts(await refresh(monday, [join(folder, '1.parquet')])), [0, 4, 4]);
  }));

test('whatever else decides a pool makes all of them anew', () =>
  inFolder(async (folder) => {
    const texts = await write(folder, 'texts', rowsOf(12));
    const rules: TextRules = { keep: 'recent', exclude: [] };
    const changes: Record<string, Change> = {
      'another tokenizer': { settings: { ...settings, tokenizer: 'other' } },
      'longer n-grams': { settings: { ...settings, maxLength: 5 } },
      'another end': { settings: { ...settings, endToken: 6 } },
      'another beginning': { settings: { ...settings, generationPrompt: Int32Array.of(9) } },
      'a cap': { rules: { ...rules, maxTokens: 10_000 } },
      'other texts first': { rules: { ...rules, keep: 'random' } },
      'a pattern': { rules: { ...rules, exclude: ['nothing'] } },
    };
    for (const [name, change] of Object.entries(changes)) {
      const out = join(folder, name);
      await refresh(out, [texts]);
      assert.equal(counts(await refresh(out, [texts], change)), [4, 0, 4], name);
    }
  }));

test('a pool that is broken, or of a folder without a manifest, is built', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const texts = await write(folder, 'texts', rowsOf(12));
    const first = await refresh(out, [texts]);
    const path = join(out, fileOf(first, 'c1'));
    const whole = readFileSync(path);
    const flipped = Buffer.from(whole);
    flipped[whole.length >> 1] = (flipped[whole.length >> 1] as number) ^ 1;
    for (const bytes of [flipped, whole.subarray(0, 100)]) {
      writeFileSync(path, bytes);
      assert.equal(counts(await refresh(out, [texts])), [1, 3, 4]);
      assert.ok(readFileSync(path).equals(whole));
    }
    rmSync(join(out, '_manifest.json'));
    assert.equal(counts(await refresh(out, [texts])), [4, 0, 4]);
  }));

test('prompts are looked up for the texts that chances are learnt from; others make another shared pool alone', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const rows = rowsOf(60);
    const texts = await write(folder, 'texts', [
      ...rows,
      { cohort: 'c0', entity_type: 'item', text: 'of none' },
    ]);
    const asked: string[] = [];
    const answers = new Map(rows.map(({ prompt_id: id = '', text }) => [id, encode(`say: ${text}`)]));
    const prompts = (fingerprint: string) => ({
      fingerprint,
      lookup: async (ids: readonly string[]) => {
        asked.push(...ids);
        return answers;
      },
    });
    const shared = async (dir: string) => (await loadPools(dir, settings.tokenizer, true)).bytes.get('');
    assert.equal(counts(await refresh(out, [texts])), [4, 0, 4]);
    const without = hashOf(new Uint8Array((await shared(out)) as SharedArrayBuffer));
    assert.equal(counts(await refresh(out, [texts], { prompts: prompts('a') })), [1, 3, 4]);
    const behind = hashOf(new Uint8Array((await shared(out)) as SharedArrayBuffer));
    assert.not.equal(behind, without, 'chances are learnt behind prompts');
    assert.equal(asked.sort(), rows.map(({ prompt_id }) => prompt_id).sort());
    assert.equal(counts(await refresh(out, [texts], { prompts: prompts('a') })), [0, 4, 4]);
    assert.equal(counts(await refresh(out, [texts], { prompts: prompts('b') })), [1, 3, 4]);
  }));

test('cohorts of any name, and texts of none', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const names = [
      "o'neil",
      '../../etc/passwd',
      'two\nlines',
      'TWO-lines',
      'two lines',
      'a',
      'a\0b',
      '',
      null,
    ];
    const rows = names.flatMap((cohort, i) => [
      { prompt_id: `a${i}`, entity_type: 'item', cohort, text: `item ${i}` },
      { prompt_id: `b${i}`, entity_type: null, cohort, text: `of nobody ${i}` },
    ]);
    const first = await refresh(out, [await write(folder, 'texts', rows)]);
    assert.equal(counts(first), [17, 0, 17]);
    assert.is((await loadPools(out, 'characters', true)).bytes.size, 17);
    assert.is(readdirSync(out).length, 18);
    assert.equal(readdirSync(folder).sort(), ['pools', 'texts.parquet']);
    assert.equal(counts(await refresh(out, [join(folder, 'texts.parquet')])), [0, 17, 17]);
  }));

test('a build that fails or is stopped leaves the old pools whole, and nothing else', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    await refresh(out, [await write(folder, 'texts', rowsOf(12))]);
    const before = state(out);
    const other = await write(folder, 'other', rowsOf(30));
    let encoded = 0;
    const stop = new AbortController();
    const failures: Record<string, Change> = {
      encoding: {
        encode: (text) => {
          if (++encoded === 25) throw new Error('out of order');
          return encode(text);
        },
      },
      'a source that changes': {
        checkUnchanged: () => {
          throw new Error('changed');
        },
      },
      'a signal': {
        signal: stop.signal,
        encode: (text) => {
          stop.abort(new Error('stopped'));
          return encode(text);
        },
      },
    };
    for (const [name, change] of Object.entries(failures)) {
      for (const tokensForThread of [Number.POSITIVE_INFINITY, 0]) {
        encoded = 0;
        let error: unknown;
        await refresh(out, [other], { ...change, tokensForThread }).catch((thrown: unknown) => {
          error = thrown;
        });
        assert.instance(error, Error, name);
        assert.equal(state(out), before, name);
      }
    }
  }));

test('no texts: an error where texts were named, no pools where a lake has none yet', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const empty = await write(folder, 'empty', []);
    const texts = await write(folder, 'texts', rowsOf(3));
    await refresh(out, [texts]);
    const before = state(out);
    const exclude = { rules: { keep: 'recent', exclude: ['love'] } } as const;
    assert.match((await errorOf(() => refresh(out, [empty]))).message, /holds no texts$/);
    const none = await errorOf(() => refresh(out, [texts], exclude));
    assert.match(none.message, /holds no texts: pools.exclude keeps out all 3$/);
    assert.equal(state(out), before);
    const lake = { needsTexts: false };
    const nothing = await refresh(out, [texts], { ...lake, ...exclude });
    assert.equal([counts(nothing), nothing.excluded, nothing.version], [[0, 0, 0], 3, null]);
    assert.equal(readdirSync(out), ['_manifest.json']);
    for (const sources of [[], [empty]]) assert.equal(counts(await refresh(out, sources, lake)), [0, 0, 0]);
  }));

/** The version of a pool of just these texts. */
function versionOf(entityType: string | null, cohort: string | null, texts: readonly string[]): string {
  const documents = texts.map((text) => documentOf(settings, encode(text), true));
  const tokens = documents.reduce((sum, { length }) => sum + length, 0);
  const source = {
    tokenizer: 'characters',
    entityType,
    cohort,
    maxLength: 4,
    documents: texts.length,
    tokens,
  };
  return encodePool(buildTrie(documents, 4), source).metadata.version;
}

const tokensOf = (texts: readonly string[]) =>
  texts.reduce((sum, text) => sum + documentOf(settings, encode(text), true).length, 0);

/** The longest beginning that fits. */
function beginning(texts: readonly string[], maxTokens: number): string[] {
  const end = texts.findIndex((_, i) => tokensOf(texts.slice(0, i + 1)) > maxTokens);
  return texts.slice(0, end < 0 ? texts.length : end);
}

const words = 'a tale of love and war in a small town by the sea where nobody ever sleeps'.split(' ');
const older: Row[] = Array.from({ length: 24 }, (_, i) => ({
  prompt_id: `old${i}`,
  entity_type: 'item',
  cohort: `c${i % 2}`,
  // texts share a beginning of their own length
  text: `${words.slice(0, 4 + (i >> 1)).join(' ')} ${i}`,
}));
const newer: Row[] = Array.from({ length: 6 }, (_, i) => ({
  prompt_id: `new${i}`,
  entity_type: 'item',
  cohort: `c${i % 2}`,
  text: `${i} is new`,
}));

for (const maxTokens of [200, 10_000]) {
  test(`recent keeps the newest texts: at most ${maxTokens} tokens`, () =>
    inFolder(async (folder) => {
      const sources = [await write(folder, '1', older), await write(folder, '2', newer)];
      const rules: TextRules = { keep: 'recent', exclude: [], maxTokens };
      const { entries } = await refresh(join(folder, 'pools'), sources, { rules });
      assert.is(entries.length, 3);
      for (const { tokens } of entries) assert.ok(tokens <= maxTokens, `${tokens}`);
      for (const { cohort, documents, tokens } of entries.slice(1)) {
        const [young, old] = [newer, older].map((rows) => rows.filter((row) => row.cohort === cohort));
        // all new ones are there, and as many old ones as fit: the next would go beyond
        assert.ok(documents >= (young?.length as number));
        const longest = Math.max(...(old as Row[]).map(({ text }) => tokensOf([text])));
        if (maxTokens === 200) assert.ok(tokens > maxTokens - longest, `${tokens}`);
        else assert.is(documents, (young as Row[]).length + (old as Row[]).length);
      }
    }));
}

test('recent with room for new texts alone holds just those', () =>
  inFolder(async (folder) => {
    const sources = [await write(folder, '1', older), await write(folder, '2', newer)];
    const young = newer.filter(({ cohort }) => cohort === 'c0').map(({ text }) => text);
    const rules: TextRules = { keep: 'recent', exclude: [], maxTokens: tokensOf(young) };
    const { entries } = await refresh(join(folder, 'pools'), sources, { rules });
    assert.is(entries.find(({ cohort }) => cohort === 'c0')?.version, versionOf('item', 'c0', young));
  }));

test('frequent keeps the texts that share the most with their cohort', () =>
  inFolder(async (folder) => {
    const source = await write(folder, '1', [...older, ...newer]);
    const rules: TextRules = { keep: 'frequent', exclude: [], maxTokens: 220 };
    const { entries } = await refresh(join(folder, 'pools'), [source], { rules });
    for (const cohort of ['c0', 'c1']) {
      const texts = [...older, ...newer].filter((row) => row.cohort === cohort).map(({ text }) => text);
      const grams = new SharedGrams();
      for (const text of texts) grams.add(text);
      const entry = entries.find((pool) => pool.cohort === cohort) as PoolEntry;
      const best = beginning(
        [...texts].sort((a, b) => grams.score(b) - grams.score(a)),
        220,
      );
      const [last, next] = [best.at(-1) as string, texts.filter((text) => !best.includes(text))];
      // ties at the cut would leave it open which one is kept
      assert.ok(next.every((text) => grams.score(text) < grams.score(last)));
      assert.is(entry.version, versionOf('item', cohort, best));
    }
  }));

test('random keeps the same texts whatever the order of rows and files', () =>
  inFolder(async (folder) => {
    const rules: TextRules = { keep: 'random', exclude: [], maxTokens: 200 };
    const sources = [await write(folder, '1', older), await write(folder, '2', newer)];
    const first = await refresh(join(folder, 'pools'), sources, { rules });
    const mixed = [...newer, ...older].reverse();
    const halves = [await write(folder, '3', mixed.slice(0, 11)), await write(folder, '4', mixed.slice(11))];
    const second = await refresh(join(folder, 'others'), halves, { rules });
    assert.is(second.version, first.version);
    assert.ok(first.entries.every(({ tokens }) => tokens <= 200 && tokens > 100));
    const reuse = await refresh(join(folder, 'pools'), halves, { rules });
    assert.equal(counts(reuse), [0, 3, 3]);
  }));

test('a cohort whose texts are all longer than the cap has no pool; a single such text is passed over', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'pools');
    const rows = [
      { prompt_id: 'a', cohort: 'long', text: 'x'.repeat(100) },
      { prompt_id: 'b', cohort: 'both', text: 'y'.repeat(100) },
      { prompt_id: 'c', cohort: 'both', text: 'short' },
    ];
    const source = await write(folder, '1', rows);
    for (const keep of ['recent', 'frequent', 'random'] as const) {
      const rules: TextRules = { keep, exclude: [], maxTokens: 50 };
      const { entries } = await refresh(out, [source], { rules });
      assert.equal(
        entries.map(({ cohort, documents }) => [cohort, documents]),
        [
          [null, 1],
          ['both', 1],
        ],
      );
    }
  }));

test('the shared pool is balanced over cohorts, those without one included', () =>
  inFolder(async (folder) => {
    const text = (i: number) => `text ${String(i).padStart(4, '0')}`;
    const row = (cohort: string | null, i: number) => ({
      prompt_id: `${i}`,
      entity_type: 'item',
      cohort,
      text: text(i),
    });
    const large = Array.from({ length: 90 }, (_, i) => row('large', i));
    const small = Array.from({ length: 2 }, (_, i) => row('small', 100 + i));
    const nobody = Array.from({ length: 60 }, (_, i) => row(null, 200 + i));
    const source = await write(folder, '1', [...large, ...small, ...nobody]);
    const each = tokensOf([text(0)]);
    const rules: TextRules = { keep: 'random', exclude: [], maxTokens: 22 * each };
    const { entries } = await refresh(join(folder, 'pools'), [source], { rules });
    assert.equal(
      entries.map(({ cohort, documents }) => [cohort, documents]),
      [
        [null, 22],
        ['large', 22],
        ['small', 2],
      ],
    );
    const list = await readPoolList(join(folder, 'pools'));
    assert.is(list.pools[0]?.tokens, 22 * each);
  }));

test.run();
