/** What traces say is what was decided: they add up to the text, and asking for one changes nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeWorker } from '../../src/decode/client.js';
import type { DecodeRules, Outcome } from '../../src/decode/sequence.js';
import { markEnded, type NodeVerdict, type TracedStep, traceStep } from '../../src/decode/trace.js';
import { type RowVerdicts, verify } from '../../src/decode/verify.js';
import { poolKey } from '../../src/pool/builder.js';
import { cache } from '../model-cache.js';
import {
  cohortOf,
  endToken,
  greedy,
  modelFolder,
  poolsWithout,
  references,
  requestOf,
  tokenizer,
} from './fixture.js';

const held = references.filter((_, place) => place % 8 === 0);
let worker: DecodeWorker;

test.before(async () => {
  worker = await DecodeWorker.start({
    engine: { model: modelFolder, cache, slots: 16, threads: 2, device: 'cpu' },
    vocabulary: tokenizer.vocabularySize,
    endTokens: [endToken],
  });
});
test.after(async () => {
  await worker.close();
});

function decode(settings: DecodeRules, traced: boolean): Promise<Outcome[]> {
  worker.use(settings);
  worker.usePools(poolsWithout((place) => place % 8 === 0));
  return Promise.all(
    held.map(({ id, prompt_ids }) =>
      worker.decode({ ...requestOf(prompt_ids, id), traced }, poolKey('any', cohortOf(id))),
    ),
  );
}

const taken: readonly NodeVerdict[] = ['accepted', 'relaxed'];
const short: DecodeRules = { ...greedy, maxNewTokens: 50, minPathProbability: 0.02 };
const bounds = { topK: 3, minProb: 0.01, divergenceBudget: 4, minGain: 1 };
const relaxed: DecodeRules = { ...short, mode: 'relaxed', ...bounds };
const sample: DecodeRules = { ...short, mode: 'sample' };
const cases: [string, DecodeRules][] = [
  ['autoregressive', { ...short, mode: 'autoregressive' }],
  ['greedy', short],
  ['relaxed', relaxed],
  ['sample', sample],
  ['greedy with a repetition penalty', { ...short, repetitionPenalty: 1.3 }],
  ['sample with a repetition penalty', { ...sample, repetitionPenalty: 1.3 }],
  ['greedy to a stop string', { ...short, stop: [' a ', 'the'] }],
];

for (const [name, settings] of cases) {
  test(`${name}: accepted tokens and the model's own are the text's, and the text is that without a trace`, async () => {
    const [plain, traced] = [await decode(settings, false), await decode(settings, true)];
    let nodes = 0;
    traced.forEach((outcome, i) => {
      const { trace = [], ...rest } = outcome;
      assert.equal(rest, plain[i]);
      const writing = trace.filter(({ next }) => next !== null);
      assert.is(writing.length, outcome.decodeSteps);
      nodes += trace.reduce((sum, step) => sum + step.nodes.length, 0);
      const emitted = trace.flatMap(emittedBy);
      assert.is(emitted.length, outcome.emittedTokens);
      // a stop string takes back the tokens that it reaches into
      const kept = outcome.stoppedText === null ? emitted.length : outcome.outputIds.length;
      const ids = emitted.slice(0, kept).filter((token) => token !== endToken);
      assert.equal(ids, [...outcome.outputIds]);
      checkSums(outcome, trace);
    });
    assert.is(nodes > 0, settings.mode !== 'autoregressive');
  });
}

/** The path's tokens in its order, then the model's own. */
function emittedBy({ nodes, next }: TracedStep): number[] {
  const path = nodes.filter(({ verdict }) => taken.includes(verdict)).map(({ token }) => token);
  return next?.emitted === true ? [...path, next.token] : path;
}

function checkSums(outcome: Outcome, trace: readonly TracedStep[]): void {
  const nodes = trace.flatMap((step) => step.nodes);
  const count = (...verdicts: NodeVerdict[]) =>
    nodes.filter(({ verdict }) => verdicts.includes(verdict)).length;
  assert.is(nodes.length, outcome.draftedTokens);
  assert.is(count('accepted', 'relaxed'), outcome.acceptedTokens);
  assert.is(count('relaxed'), outcome.relaxedTokens);
  const spent = nodes.filter(({ verdict }) => verdict === 'relaxed').reduce((sum, { gap }) => sum + gap, 0);
  assert.ok(Math.abs(spent - outcome.divergence) < 1e-9, `${spent} nats, ${outcome.divergence}`);
}

test('relaxed: each refusal holds by the rule that is given for it', async () => {
  const { topK, minProb, divergenceBudget } = relaxed;
  const seen = new Set<NodeVerdict>();
  for (const { trace = [] } of await decode(relaxed, true)) {
    for (const { nodes, spent } of trace) {
      const paid = [spent];
      for (const { parent, verdict, rank, probability, gap } of nodes) {
        const before = paid[parent] as number;
        const reachable = !Number.isNaN(before);
        const ranked = rank !== null && rank < topK;
        const fits = before + gap <= divergenceBudget;
        const acceptable = reachable && (rank === 0 || (ranked && probability >= minProb && fits));
        paid.push(acceptable ? before + (rank === 0 ? 0 : gap) : Number.NaN);
        seen.add(verdict);
        assert.is(verdict === 'unreached', !reachable);
        assert.is(
          ['accepted', 'relaxed', 'shorter', 'costlier', 'gain', 'ended'].includes(verdict),
          acceptable,
        );
        if (verdict === 'rank') assert.not(ranked);
        if (verdict === 'probability') assert.ok(ranked && probability < minProb);
        if (verdict === 'budget') assert.ok(ranked && probability >= minProb && !fits);
        if (verdict === 'relaxed') assert.ok(rank !== 0 && gap > 0);
      }
    }
  }
  for (const verdict of ['accepted', 'relaxed', 'rank', 'unreached'])
    assert.ok(seen.has(verdict as NodeVerdict), `no node is ${verdict}`);
});

test('relaxed: what is acceptable and not taken lies on a shorter path, or on one as long that costs more', () => {
  // rows 1 to 6 follow rows 0, 0, 1, 1, 0, 5; every row has the same distribution
  const tree = { tokens: Int32Array.of(9, 0, 1, 1, 0, 2, 3), parents: Int32Array.of(-1, 0, 0, 1, 1, 0, 5) };
  const shares = [0.5, 0.3, 0.15, 0.05];
  const verdicts: RowVerdicts = {
    token: (_, rank) => rank,
    logit: (_, rank) => Math.log(shares[rank] as number),
    probability: (_, rank) => shares[rank] as number,
    ownProbability: (row) => shares[tree.tokens[row] as number] as number,
  };
  const rule = { mode: 'relaxed', topK: 3, minProb: 0.2, divergenceBudget: 4, minGain: 0 } as const;
  const verification = verify(tree, verdicts, rule, { spent: 1, rest: 1 });
  const matched = () => ({ cohort: 3, shared: 2, own: 0 });
  const chances = Float64Array.of(0.9, 0.8, 0.7, 0.6, 0.5, 0.4);
  const step = traceStep({ tree, verdicts, rule, shown: 4, verification, chances, matched, spent: 1 });
  assert.equal(
    step.nodes.map(({ verdict }) => verdict),
    ['accepted', 'shorter', 'costlier', 'accepted', 'probability', 'unreached'],
  );
  assert.equal(
    step.nodes.map(({ rank }) => rank),
    [0, 1, 1, 0, 2, 3],
  );
  assert.equal(step.next, { token: 0, probability: 0.5, emitted: true });
  markEnded(step, verification.path, 1);
  assert.equal([step.nodes[0]?.verdict, step.nodes[3]?.verdict], ['accepted', 'ended']);
  assert.is(step.next?.emitted, false);
});

test.run();
