import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Estimate } from '../../src/draft/estimate.js';
import { buildTrie } from '../../src/pool/build.js';
import { earlierTurns, escapeClass, usualEscapes } from '../../src/pool/escape.js';
import { Followers, type Ngrams, type PoolState } from '../../src/pool/ngrams.js';
import { OwnText } from '../../src/pool/own.js';
import { Pool } from '../../src/pool/trie.js';
import { countGrams, type Grams, tokenList } from '../pool/oracle.js';

const maxLength = 4;
/** Texts that ended by themselves: with an end token. */
const documents = fc.array(
  tokenList().map((text) => [...text, 7]),
  { maxLength: 5 },
);

/**
 * Prediction by partial matching as the formula says it, over plain counts: the probability of each token.
 * @param recent n-grams of the own text whose last token belongs to its last message or comes later
 */
function expectedScores(
  sources: readonly Grams[],
  history: readonly number[],
  recent: Grams,
): Map<number, number> {
  const scores = new Map<number, number>();
  let mass = 1;
  let pooled = false;
  for (let length = Math.min(history.length, maxLength - 1); length >= 0; length--) {
    if (mass < 0.05) break;
    for (const [source, grams] of sources.entries()) {
      const context = history.slice(history.length - length).join(' ');
      const counts = grams.followers.get(context);
      if (counts === undefined) continue;
      pooled ||= source < 2;
      const origin = source === 2 && pooled && !recent.followers.has(context) ? earlierTurns : source;
      const after = new Followers(8);
      for (const [token, count] of counts) {
        after.tokens[after.size] = token;
        after.counts[after.size++] = count;
        after.total += count;
        after.distinct++;
      }
      const through = usualEscapes[escapeClass(origin, length, after)] as number;
      for (const [token, count] of counts) {
        scores.set(token, (scores.get(token) ?? 0) + (mass * (1 - through) * count) / after.total);
      }
      mass *= through;
    }
  }
  if (mass < 0.05) for (const [token, score] of scores) scores.set(token, score / (1 - mass));
  return scores;
}

/** N-grams of a text whose last token stands at `from` or behind it. */
function gramsBehind(text: readonly number[], from: number): Grams {
  const grams: Grams = countGrams([], maxLength);
  for (let at = from; at < text.length; at++) {
    for (let length = 0; length < maxLength && length <= at; length++) {
      const context = text.slice(at - length, at).join(' ');
      const counts = grams.followers.get(context) ?? new Map<number, number>();
      grams.followers.set(context, counts.set(text[at] as number, 1));
    }
  }
  return grams;
}

test('an estimate is what partial matching gives over plain counts, whatever the texts', () => {
  fc.assert(
    fc.property(
      documents,
      documents,
      fc.array(tokenList(), { minLength: 1, maxLength: 4 }),
      (cohort, shared, turns) => {
        const text = new OwnText(8, maxLength);
        const pools = [cohort, shared].map((texts) => new Pool(buildTrie(texts, maxLength), maxLength));
        const ngrams: Ngrams[] = [...pools, text];
        const states = ngrams.map((): PoolState => ({ node: 0, depth: 0 }));
        // the last of the turns is the message to answer
        for (const turn of turns) {
          for (const token of turn) {
            text.append(token);
            for (const [s, source] of ngrams.entries()) source.walk(states[s] as PoolState, token);
          }
          text.endTurn();
        }
        text.endPrompt();
        const own = turns.flat();
        const earlier = own.length - (turns.at(-1) as number[]).length;
        const estimate = new Estimate();
        estimate.use(ngrams, usualEscapes);
        // twice: what one estimate leaves behind must not be seen by the next
        for (let i = 0; i < 2; i++) {
          estimate.compute(Int32Array.from(states.flatMap(({ node, depth }) => [node, depth])), 0);
          const expected = expectedScores(
            [cohort, shared, [own]].map((texts) => countGrams(texts, maxLength)),
            own,
            gramsBehind(own, earlier),
          );
          assert.is(estimate.size, expected.size);
          let sum = 0;
          for (let c = 0; c < estimate.size; c++) {
            const score = estimate.scores[c] as number;
            const token = estimate.tokens[c] as number;
            assert.ok(Math.abs(score - (expected.get(token) ?? 0)) < 1e-9, `token ${token}`);
            sum += score;
          }
          assert.ok(sum <= 1 + 1e-9, 'probabilities');
        }
      },
    ),
  );
});

test('candidates beyond the capacity are left out, the others are all found', () => {
  const tokens = Array.from({ length: 300 }, (_, i) => i * 512);
  const wide: Ngrams = {
    maxLength: 100,
    walk: () => undefined,
    shorter: (node) => node,
    followers(_node, into) {
      // eight new tokens a context
      into.size = into.distinct = 8;
      into.total = 8;
      for (let i = 0; i < 8; i++) {
        into.tokens[i] = tokens[(at++ * 7) % 300] as number;
        into.counts[i] = 1;
      }
    },
  };
  let at = 0;
  const estimate = new Estimate();
  estimate.use(
    [undefined, wide, undefined],
    usualEscapes.map(() => 0.99),
  );
  estimate.compute(Int32Array.of(0, 0, 0, 60, 0, 0), 0);
  assert.is(estimate.size, 256);
  assert.is(new Set(estimate.tokens).size, 256);
});

test.run();
