import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type BetaCurve, chanceBy } from '../../src/draft/beta.js';
import { ChanceFit, calibrate } from '../../src/draft/calibrate.js';
import { Drafter, type DraftPools } from '../../src/draft/drafter.js';
import { PoolBuilder, poolKey, sharedKey } from '../../src/pool/builder.js';
import { Chances, certain, chancePoints, encodeChances, estimateAt } from '../../src/pool/chances.js';
import { openPool } from '../../src/pool/file.js';
import type { DraftProfile } from '../../src/pool/profile.js';
import { Pool } from '../../src/pool/trie.js';

function usualValues(curve: BetaCurve): number[] {
  return Array.from({ length: chancePoints }, (_, i) => chanceBy(curve, estimateAt(i + 1)));
}

test('outcomes decide where there are many, estimates where there are few', () => {
  const fit = new ChanceFit();
  const few = new ChanceFit();
  for (let i = 0; i < 30_000; i++) {
    const estimate = ((i * 7919) % 30_000) / 30_000;
    // comes with the root of its chance
    fit.add(estimate, ((i * 104_729) % 9973) / 9973 < Math.sqrt(estimate));
  }
  for (let i = 0; i < 5; i++) few.add(0.5, true);
  const chances = new Chances(encodeChances(fit.values()));
  for (const estimate of [0.15, 0.3, 0.5, 0.8])
    assert.ok(
      Math.abs(chances.of(estimate) - Math.sqrt(estimate)) < 0.04,
      `${estimate}: ${chances.of(estimate)}`,
    );
  for (const [i, value] of few.values().entries())
    assert.ok(Math.abs(value - estimateAt(i + 1)) < 0.05, `${value} at ${estimateAt(i + 1)}`);
  assert.equal(
    encodeChances(new ChanceFit().values()),
    Array.from({ length: chancePoints }, (_, i) => ((i + 1) * certain) / chancePoints),
    'nothing seen',
  );
  const usual: BetaCurve = [2, 0.9, -0.3];
  const ofType = new ChanceFit();
  assert.equal(
    encodeChances(ofType.values(ofType.curve(usual))),
    encodeChances(usualValues(usual)),
    'nothing seen of a type',
  );
  for (const [i, value] of few.values(few.curve(usual)).entries())
    assert.ok(
      Math.abs(value - (usualValues(usual)[i] as number)) < 0.05,
      `${value} of a type, usually ${usualValues(usual)[i]}`,
    );
});

/** Texts of two cohorts, whose pools and shared pool are built in the order given. */
function built(texts: readonly number[][]) {
  const settings = { tokenizer: '', maxLength: 4, generationPrompt: Int32Array.of(1), endToken: 0 };
  const builder = new PoolBuilder(settings, calibrate);
  for (const text of texts) builder.add('item', `${(text[0] as number) % 2}`, text, true);
  return builder.build();
}

const texts = Array.from({ length: 60 }, (_, i) =>
  Array.from({ length: 20 }, (_, k) => 2 + ((i * 3 + k * k * (1 + (i % 7))) % 11)),
);

test('equal texts in any order make equal pools; drafts are the same with what was learnt, their chances are mapped', () => {
  const pools = built(texts);
  const turned = built([...texts].reverse());
  for (const [i, { bytes }] of pools.entries())
    assert.equal(new Uint8Array(turned[i]?.bytes as SharedArrayBuffer), new Uint8Array(bytes));
  const { pool: shared } = openPool(
    pools.find(({ key }) => key === sharedKey)?.bytes as SharedArrayBuffer,
    'p',
  );
  const { pool: cohort } = openPool(
    pools.find(({ key }) => key === poolKey('item', '1'))?.bytes as SharedArrayBuffer,
    'p',
  );
  const { escapes } = shared;
  const strict = shared.chancesBy?.get('item');
  const ofRelaxed = shared.relaxed?.chancesBy?.get('item');
  assert.ok(strict !== undefined && ofRelaxed !== undefined && cohort.chances === undefined);
  assert.not.equal(ofRelaxed.of(0.7), strict.of(0.7));
  const estimating = new Pool(shared.columns, shared.maxLength, { escapes });
  const token = fc.integer({ min: 2, max: 12 });
  fc.assert(
    fc.property(
      fc.array(token, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(0, 0.02, 0.3, 0.97),
      fc.boolean(),
      (sequence, least, relaxed) => {
        const chances = relaxed ? ofRelaxed : strict;
        const last = sequence.at(-1) as number;
        const [mapped, plain] = [shared, estimating].map((pool) => {
          const drafter = new Drafter(13, new Set([0]));
          drafter.begin({ cohort, shared: pool });
          for (const one of sequence) drafter.append(one);
          // no node falls out by itself where the bound is mapped back
          const minPathProbability = pool === shared ? least : chances.estimateOf(least);
          const rows = drafter.draft(last, { nodes: 12, depth: 9, minPathProbability, relaxed });
          return { rows, gains: [...drafter.gains] };
        }) as [{ rows: object; gains: number[] }, { rows: object; gains: number[] }];
        assert.equal(mapped.rows, plain.rows);
        assert.equal(
          mapped.gains,
          plain.gains.map((gain) => chances.of(gain)),
        );
        assert.ok(mapped.gains.every((gain) => gain >= least - 1e-9));
      },
    ),
  );
});

test('what texts repeat of their prompts is learnt where the prompts are known', () => {
  const settings = { tokenizer: '', maxLength: 4, generationPrompt: Int32Array.of(1), endToken: 0 };
  const builder = new PoolBuilder(settings, calibrate);
  const prompts = new Map<string, Int32Array>();
  // texts name three things each, which their prompts name before
  for (let i = 0; i < 150; i++) {
    const named = [0, 1, 2].map((k) => 20 + ((i * 31 + k * 17 * (1 + (i % 5))) % 41));
    prompts.set(`${i}`, Int32Array.of(2, ...named, 3, 0, 1));
    builder.add('item', 'c', [4, 5, 2, ...named, 6, 7], true, `${i}`);
  }
  const sharedOf = (known?: typeof prompts) =>
    openPool(builder.build(known).find(({ key }) => key === sharedKey)?.bytes as SharedArrayBuffer, 'p').pool;
  const [unknown, known] = [sharedOf(), sharedOf(prompts)];
  // low estimates come oftener than texts alone tell
  for (const estimate of [0.1, 0.2]) {
    const [without, behind] = [unknown, known].map((pool) => pool.chancesBy?.get('item')?.of(estimate) ?? 0);
    assert.ok((behind as number) > (without as number) + 0.02, `${behind} against ${without} of ${estimate}`);
  }
  assert.equal(sharedOf(new Map()).chances, unknown.chances, 'none is known');
});

test('chances are those of the entity type that a cohort is of', () => {
  const settings = { tokenizer: '', maxLength: 4, generationPrompt: Int32Array.of(1), endToken: 0 };
  const builder = new PoolBuilder(settings, calibrate);
  // texts of items go on as others have, those of users turn elsewhere behind every third token
  for (let i = 0; i < 120; i++) {
    const item = Array.from({ length: 20 }, (_, k) => 2 + (((i % 4) + k) % 9));
    const user = Array.from({ length: 20 }, (_, k) => 2 + ((i * 7 + k + (k % 3 === 0 ? i * k : 0)) % 9));
    builder.add('item', 'c', item, true);
    builder.add('user', 'c', user, true);
  }
  const built = builder.build();
  const open = (key: string) =>
    openPool(built.find((pool) => pool.key === key)?.bytes as SharedArrayBuffer, key).pool;
  const shared = open(sharedKey);
  assert.equal([...(shared.chancesBy?.keys() ?? [])], ['item', 'user']);
  const { profile = [], profileBy } = shared.relaxed ?? {};
  /** Tokens that the first four nodes of drafts are expected to bring, on average. */
  const expected = (drafts: DraftProfile = []) =>
    drafts.reduce((sum, gains) => sum + gains.subarray(0, 4).reduce((a, b) => a + b, 0), 0) / drafts.length;
  assert.equal([...(profileBy?.keys() ?? [])], ['item', 'user']);
  const [ofItems, ofUsers] = [expected(profileBy?.get('item')), expected(profileBy?.get('user'))];
  assert.ok(ofItems > ofUsers && expected(profile) < ofItems && expected(profile) > ofUsers);
  const gainsBy = (pools: DraftPools) => {
    const drafter = new Drafter(13, new Set([0]));
    drafter.begin(pools);
    for (const token of [1, 2, 3]) drafter.append(token);
    drafter.draft(3, { nodes: 8, depth: 9, minPathProbability: 0 });
    return [...drafter.gains];
  };
  const plain = new Pool(shared.columns, shared.maxLength, { escapes: shared.escapes });
  for (const type of ['item', 'user']) {
    const cohort = open(poolKey(type, 'c'));
    assert.equal(
      gainsBy({ cohort, shared }),
      gainsBy({ cohort, shared: plain }).map((gain) => shared.chancesBy?.get(type)?.of(gain)),
    );
  }
  assert.equal(
    gainsBy({ shared }),
    gainsBy({ shared: plain }).map((gain) => shared.chances?.of(gain)),
    'without a cohort: those of all texts',
  );
  assert.not.equal(shared.chancesBy?.get('item')?.of(0.7), shared.chancesBy?.get('user')?.of(0.7));
});

test.run();
