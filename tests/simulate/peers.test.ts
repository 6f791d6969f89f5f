import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { TreeRows } from '../../src/engine/engine.js';
import { Corpus, GrowingText, type Occurrences } from '../../src/simulate/peers/occurrences.js';
import { type Document, type Peer, Peers, pooledPeers } from '../../src/simulate/peers/peers.js';
import { PromptLookup } from '../../src/simulate/peers/prompt-lookup.js';
import { type ReplayDrafter, type ReplayText, replay } from '../../src/simulate/replay.js';

const text = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 });
const budget = { minPathProbability: 0, depth: 1000 };

/** How often each token follows the string, by looking at every place. */
function count(documents: number[][], string: number[]): { places: number; following: Map<number, number> } {
  const following = new Map<number, number>();
  let places = 0;
  for (const document of documents) {
    for (let start = 0; start + string.length <= document.length; start++) {
      if (!string.every((token, i) => document[start + i] === token)) continue;
      places++;
      const next = document[start + string.length];
      if (next !== undefined) following.set(next, (following.get(next) ?? 0) + 1);
    }
  }
  return { places, following };
}

function check(found: Occurrences, documents: number[][], string: number[], depth: number): void {
  const { places, following } = count(documents, string);
  assert.is(found.count, places);
  const expected = [...following].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const followers = found.followers();
  assert.equal(
    followers.map(({ token, at }) => [token, at.count]),
    expected,
  );
  if (depth === 0) return;
  for (const { token, at } of followers) check(at, documents, [...string, token], depth - 1);
}

test('a corpus and a growing text know every place of a string, and what follows', () => {
  const string = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), text, string, (documents, own, wanted) => {
      check(new Corpus(documents.map((ids) => Int32Array.from(ids))).find(wanted), documents, wanted, 3);
      const growing = new GrowingText();
      growing.tokens.push(...own);
      check(growing.find(wanted), [own], wanted, 3);
    }),
  );
});

function drafterOf(peer: Peer, all: Peers): ReplayDrafter {
  return peer === 'prompt-lookup' ? new PromptLookup() : all.drafter(peer);
}

function drafted(peer: Peer, documents: Document[], prompt: number[], nodes: number): string[] {
  const drafter = drafterOf(peer, new Peers(documents));
  drafter.begin(recorded(prompt, []));
  for (const token of prompt) drafter.append(token);
  return paths(drafter.draft(prompt.at(-1) as number, { ...budget, nodes }));
}

function recorded(prompt: number[], answer: number[]): ReplayText {
  return {
    entityType: 'item',
    cohort: 'a',
    framework: null,
    promptIds: Int32Array.from(prompt),
    answerIds: Int32Array.from(answer),
  };
}

/** The path to each node, in the tree's order. */
function paths({ tokens, parents }: TreeRows): string[] {
  const to: string[] = [''];
  for (let row = 1; row < tokens.length; row++)
    to[row] = `${to[parents[row] as number]} ${tokens[row]}`.trim();
  return to.slice(1);
}

const document = (cohort: string | null, ...ids: number[]): Document => ({
  entityType: 'item',
  cohort,
  ids: Int32Array.from(ids),
});

test('prompt lookup takes the first place of the longest match, up to ten tokens', () => {
  const prompt = [1, 2, 3, 4, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2, 3];
  assert.equal(drafted('prompt-lookup', [], prompt, 64).at(-1), '4 2 3 5 6 7 8 9 10 11');
  assert.equal(drafted('prompt-lookup', [], prompt, 2), ['4', '4 2']);
  assert.equal(
    drafted('prompt-lookup', [], [1, 4, 2, 3, 9, 4, 2, 3], 3),
    ['9', '9 4', '9 4 2'],
    'three tokens',
  );
  assert.equal(drafted('prompt-lookup', [], [1, 2, 3], 3), []);
});

test('REST drafts the most frequent prefixes behind the longest match of two tokens or more', () => {
  const documents = [
    document('a', 1, 2, 3, 4),
    document('b', 1, 2, 3, 5),
    document('c', 9, 2, 7),
    document('c', 1, 2, 8),
  ];
  assert.equal(drafted('rest', documents, [1, 2], 3), ['3', '3 4', '3 5']);
  assert.equal(drafted('rest', documents, [5, 2], 3), [], 'one token is no match');
  assert.equal(drafted('rest', documents, [9, 9, 2], 3), ['7']);
  const longer = [document('a', 1, 2, 3, 4, 8), document('a', 9, 2, 3, 4, 7), document('a', 9, 2, 3, 4, 7)];
  assert.equal(drafted('rest', longer, [1, 2, 3, 4], 9), ['8'], 'four tokens match');
  assert.equal(drafted('rest', longer, [0, 2, 3, 4], 9), ['7', '8'], 'three do');
  const long = Array.from({ length: 20 }, (_, i) => i + 10);
  assert.is(drafted('rest', [document('a', ...long)], [10, 11], 64).length, 10);
});

test("LASER's trie has the prompt's branches first, then those of the cohort by frequency", () => {
  const documents = [
    document('a', 2, 3, 4),
    document('a', 2, 3, 4),
    document('a', 2, 5),
    document('b', 2, 6),
  ];
  assert.equal(drafted('laser', documents, [2, 7, 2], 9), ['7', '7 2', '3', '3 4', '5']);
  assert.equal(drafted('laser', documents, [2, 7, 2], 1), ['7']);
  assert.equal(drafted('laser', documents, [1, 1], 9), ['1']);
  const long = Array.from({ length: 20 }, (_, i) => i + 10);
  assert.is(
    drafted('laser', [document('a', ...long)], [10, 11], 64).length,
    12,
    'branches have twelve tokens',
  );
  const other = document('a', 9, 11, 5);
  const full = drafted('laser', [document('a', ...long), other], [10, 11], 64);
  assert.ok(!full.includes('5'), 'twelve are enough');
  const short = [document('a', 10, 11, 12), other];
  assert.equal(drafted('laser', short, [10, 11], 64), ['5', '12'], 'one is not: the last token is looked up');
});

test('SuffixDecoding drafts no more tokens than match, and none that is improbable', () => {
  const documents = [document('a', 1, 2, 3, 4, 5, 6), document('b', 9, 3, 8)];
  assert.equal(drafted('suffix-decoding', documents, [7, 1, 2, 3], 9), ['4', '4 5', '4 5 6']);
  assert.equal(
    drafted('suffix-decoding', documents, [7, 7, 3], 9),
    ['4'],
    'one token matches: one is drafted',
  );
  const many = Array.from({ length: 11 }, (_, i) => document('a', 1, 2, 10 + i));
  assert.equal(drafted('suffix-decoding', many, [0, 1, 2], 9), [], 'each has a probability of 1/11');
  const tied = [
    document('a', 5, 3, 8),
    document('a', 6, 3, 8),
    document('a', 2, 3, 9),
    document('a', 2, 3, 7),
  ];
  assert.equal(drafted('suffix-decoding', tied, [0, 2, 3], 1), ['7'], 'the longer match wins a tie');
  const own = drafted('suffix-decoding', [document('a', 1, 2, 6)], [1, 2, 5, 1, 2], 9);
  assert.equal(own, ['5', '5 1'], 'so does the own text');
});

test('every peer drafts trees within the budget, and brings as many tokens as the record has', () => {
  const texts = fc.array(text, { maxLength: 4 });
  fc.assert(
    fc.property(
      texts,
      fc.array(text, { minLength: 1, maxLength: 3 }),
      fc.nat({ max: 9 }),
      (pool, answers, nodes) => {
        const all = new Peers(pool.map((ids, i) => document(i % 2 === 0 ? 'a' : null, ...ids)));
        for (const peer of [...pooledPeers, 'prompt-lookup'] as const) {
          const counts = replay(
            answers.map((answer) => recorded([1, 2], answer)),
            drafterOf(peer, all),
            { nodes },
          );
          assert.is(
            counts.tokens,
            answers.reduce((sum, answer) => sum + answer.length, 0),
          );
          assert.ok(counts.stepsByRows.length <= nodes + 2);
        }
      },
    ),
  );
});

test.run();
