import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DraftPools } from '../../src/draft/drafter.js';
import { type Drafting, OwnDrafting, type SequenceDrafts } from '../../src/draft/drafting.js';
import { commands, Mailbox } from '../../src/draft/mailbox.js';
import { DraftTeam } from '../../src/draft/team.js';
import { DareError } from '../../src/errors.js';
import { buildTrie } from '../../src/pool/build.js';
import { encodePool, openPool } from '../../src/pool/file.js';

const test = suite('drafting in threads');
const vocabulary = 12;
const end = 1;

test('threads draft what one thread drafts', async () => {
  const team = await DraftTeam.start({ threads: 2, sequences: 5, vocabulary, endTokens: [end] });
  try {
    await fc.assert(
      fc.asyncProperty(scene, async ({ texts, sequences }) => {
        const memory = new Map([
          ['a', poolBytes(texts.slice(0, 2))],
          ['shared', poolBytes(texts)],
        ]);
        const pools = new Map([...memory].map(([key, bytes]) => [key, openPool(bytes, key).pool]));
        team.usePools(pools, memory);
        const own = new OwnDrafting(vocabulary, new Set([end]));
        assert.equal(play(team, pools, sequences), play(own, pools, sequences));
      }),
      { numRuns: 60 },
    );
  } finally {
    await team.close();
  }
});

test('a queue that is full is waited for', async () => {
  const team = await DraftTeam.start({ threads: 1, sequences: 1, vocabulary, endTokens: [end] });
  const own = new OwnDrafting(vocabulary, new Set([end]));
  try {
    // more numbers than the queue has, several times around
    for (let round = 0; round < 3; round++) {
      const drafts = [team, own].map((drafting) => {
        const sequence = drafting.begin({});
        for (let i = 0; i < 100_000; i++) sequence.append((i * 7 + round) % vocabulary);
        sequence.request(((100_000 - 1) * 7 + round) % vocabulary, budgetOf(8));
        drafting.finish();
        const made = copyOf(sequence);
        drafting.end(sequence);
        return made;
      });
      assert.equal(drafts[0], drafts[1]);
      assert.ok((drafts[0]?.tokens.length ?? 0) > 1, 'something was drafted');
    }
  } finally {
    await team.close();
  }
});

test('what a thread fails at is told where its drafts are awaited', async () => {
  const team = await DraftTeam.start({ threads: 2, sequences: 2, vocabulary, endTokens: [end] });
  try {
    const memory = new Map([['shared', new SharedArrayBuffer(64)]]);
    const { pool } = openPool(poolBytes([[3, 4, 5]]), 'shared');
    team.usePools(new Map([['shared', pool]]), memory);
    assert.throws(
      () => {
        const sequence = team.begin({ shared: pool });
        sequence.append(3);
        sequence.request(3, budgetOf(4));
        team.finish();
      },
      (error: unknown) =>
        error instanceof DareError && /A drafting thread failed: .*pool/.test(error.message),
    );
  } finally {
    await team.close();
  }
});

test('positions of the queue go on behind 2^31', () => {
  const writer = Mailbox.create(1);
  const reader = Mailbox.of(writer.memory);
  const near = 2 ** 31 - 3;
  for (const side of [writer, reader]) (side as unknown as { at: number }).at = near;
  const control = (writer as unknown as { control: Int32Array }).control;
  control.fill(near, 0, 2);
  for (let i = 0; i < 5; i++) {
    writer.write(commands.begin, i, -1);
    assert.equal([reader.next(), reader.next(), reader.next()], [commands.begin, i, -1]);
    reader.free();
  }
});

function poolBytes(documents: readonly (readonly number[])[]): SharedArrayBuffer {
  const tokens = documents.reduce((sum, { length }) => sum + length, 0);
  const source = {
    ...{ tokenizer: 'tiny', entityType: null, cohort: null, maxLength: 6 },
    ...{ documents: documents.length, tokens },
  };
  return encodePool(buildTrie(documents, 6), source).bytes;
}

const token = fc.integer({ min: 2, max: vocabulary - 1 });
const text = fc.array(token, { minLength: 1, maxLength: 30 });
const scene = fc.record({
  texts: fc.array(text, { minLength: 2, maxLength: 6 }),
  sequences: fc.array(
    fc.record({
      cohort: fc.boolean(),
      shared: fc.boolean(),
      prompt: text,
      steps: fc.array(
        fc.record({
          tokens: fc.array(token, { maxLength: 4 }),
          asks: fc.boolean(),
          nodes: fc.integer({ min: 0, max: 20 }),
          depth: fc.integer({ min: 0, max: 10 }),
          least: fc.double({ min: 0.001, max: 1, noNaN: true }),
          line: fc.boolean(),
        }),
        { maxLength: 6 },
      ),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});
type Sequences = (typeof scene extends fc.Arbitrary<infer T> ? T : never)['sequences'];

/** All drafts of sequences that take their steps side by side; some ask for none. */
function play(
  drafting: Drafting,
  pools: ReadonlyMap<string, NonNullable<DraftPools['shared']>>,
  sequences: Sequences,
): object[] {
  const made: object[] = [];
  const live = sequences.map(({ cohort, shared, prompt }) => {
    const [first, second] = [pools.get('a'), pools.get('shared')];
    const drafts = drafting.begin({
      ...(cohort && first !== undefined ? { cohort: first } : {}),
      ...(shared && second !== undefined ? { shared: second } : {}),
    });
    for (const each of prompt) drafts.append(each);
    return { drafts, last: prompt.at(-1) as number };
  });
  for (let step = 0; step < 6; step++) {
    const asked: SequenceDrafts[] = [];
    sequences.forEach(({ steps }, i) => {
      const { drafts, last } = live[i] as (typeof live)[number];
      const now = steps[step];
      if (now === undefined) return;
      for (const each of now.tokens) drafts.append(each);
      (live[i] as (typeof live)[number]).last = now.tokens.at(-1) ?? last;
      if (!now.asks) return;
      const { nodes, depth, line, least } = now;
      drafts.request(now.tokens.at(-1) ?? last, { nodes, depth, line, minPathProbability: least });
      asked.push(drafts);
    });
    drafting.finish();
    made.push(...asked.map(copyOf));
  }
  for (const { drafts } of live) drafting.end(drafts);
  return made;
}

function copyOf(drafts: SequenceDrafts) {
  const { rows, gains, matched } = drafts;
  const tokens = [...rows.tokens];
  const settled = tokens.map((_, row) => (rows.parents.includes(row) ? drafts.contextsOf(row) : undefined));
  return { tokens, parents: [...rows.parents], gains: [...gains], matched, settled };
}

function budgetOf(nodes: number) {
  return { nodes, depth: 10, minPathProbability: 0.01 };
}

test.run();
