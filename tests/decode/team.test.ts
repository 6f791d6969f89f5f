/** The decode loop with drafting threads: its texts are those of drafts made in the loop's own thread. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeLoop, sequencesOf } from '../../src/decode/loop.js';
import type { DecodeSettings, Outcome } from '../../src/decode/sequence.js';
import { type Drafting, OwnDrafting } from '../../src/draft/drafting.js';
import { DraftTeam } from '../../src/draft/team.js';
import { CpuEngine } from '../../src/engine/cpu.js';
import { PoolBuilder, poolKey, sharedKey } from '../../src/pool/builder.js';
import { openPool } from '../../src/pool/file.js';
import { greedy, requestOf } from './fixture.js';
import { tinyEnd, tinyVocabulary, writeTinyModel } from './tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-team-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const model = writeTinyModel(join(folder, 'model'));
const slots = 5;
const endTokens = [tinyEnd];

/** Rows cost little, as on a GPU. */
const costs = {
  batch: [1, 5],
  rows: [1, 4, 13],
  milliseconds: [
    [1, 1, 1.3],
    [1.5, 1.6, 2.2],
  ],
};
const { minPathProbability: _, ...plainGreedy } = greedy;
const withCosts: DecodeSettings = { ...plainGreedy, maxNewTokens: 24, nodes: 12, costs };
const settings: Record<string, DecodeSettings> = {
  autoregressive: { ...greedy, mode: 'autoregressive', maxNewTokens: 24 },
  greedy: { ...greedy, maxNewTokens: 24, nodes: 12, minPathProbability: 0.01 },
  'greedy, rows weighed together': withCosts,
  'relaxed, drafts by a rule': {
    ...withCosts,
    mode: 'relaxed',
    topK: 4,
    minProb: 0.01,
    divergenceBudget: 6,
  },
  'relaxed, rows weighed together': {
    ...{ ...withCosts, mode: 'relaxed', reproducible: false },
    ...{ topK: 4, minProb: 0.01, divergenceBudget: 6 },
  },
  sample: { ...greedy, mode: 'sample', maxNewTokens: 24, nodes: 12, minPathProbability: 0.01 },
};

/** Prompts of several lengths, so that texts begin and end at different steps. */
const requests = Array.from({ length: 40 }, (_, i) => ({
  ...requestOf(
    Array.from({ length: 3 + ((i * 7) % 29) }, (_, at) => 2 + ((i + at * at) % (tinyVocabulary - 2))),
    `prompt ${i}`,
  ),
  traced: true,
}));

/** Pools of the model's own texts. */
async function poolsOf(engine: CpuEngine) {
  const builder = new PoolBuilder({
    ...{ tokenizer: 'tiny', maxLength: 6 },
    ...{ generationPrompt: Int32Array.of(2), endToken: tinyEnd },
  });
  const loop = loopOf(engine, settings.sample as DecodeSettings, ownDrafting());
  const texts = await Promise.all(requests.map((request) => loop.decode(request, {})));
  texts.forEach(({ outputIds, finishReason }, i) => {
    builder.add('item', i % 2 === 0 ? 'even' : 'odd', outputIds, finishReason === 'stop');
  });
  return new Map([...builder.build()].map(({ key, bytes }) => [key, bytes]));
}

const ownDrafting = () => new OwnDrafting(tinyVocabulary, new Set(endTokens));
const loopOf = (engine: CpuEngine, rules: DecodeSettings, drafting: Drafting) =>
  new DecodeLoop(engine, rules, drafting, new Set(endTokens));

/** Runs with an engine and a team for it, and closes both. */
async function withTeam(work: (engine: CpuEngine, team: DraftTeam) => Promise<void>): Promise<void> {
  const engine = await CpuEngine.open({ model, cache: join(folder, 'cache'), slots, threads: 1 });
  const team = await DraftTeam.start({
    ...{ threads: 2, sequences: sequencesOf(slots) },
    ...{ vocabulary: tinyVocabulary, endTokens },
  });
  try {
    await work(engine, team);
  } finally {
    await team.close();
    await engine.close();
  }
}

for (const [name, rules] of Object.entries(settings)) {
  test(`threads change no text: ${name}`, async () => {
    await withTeam(async (engine, team) => {
      const memory = await poolsOf(engine);
      const pools = new Map([...memory].map(([key, bytes]) => [key, openPool(bytes, key).pool]));
      team.usePools(pools, memory);
      const shared = pools.get(sharedKey);
      assert.ok(shared !== undefined);
      const decode = async (drafting: Drafting) => {
        const loop = loopOf(engine, rules, drafting);
        const outcomes = await Promise.all(
          requests.map((request, i) => {
            const cohort = pools.get(poolKey('item', i % 2 === 0 ? 'even' : 'odd'));
            // every third sequence has the shared pool alone
            return loop.decode(
              request,
              i % 3 === 0 || cohort === undefined ? { shared } : { cohort, shared },
            );
          }),
        );
        return { outcomes: outcomes.map(plain), statistics: loop.statistics };
      };
      const own = await decode(ownDrafting());
      for (let turn = 0; turn < 2; turn++) {
        const threads = await decode(team);
        assert.equal(threads.outcomes, own.outcomes);
        assert.equal(threads.statistics.byDepth, own.statistics.byDepth);
        assert.equal(threads.statistics.byMatch, own.statistics.byMatch);
      }
      if (rules.mode === 'autoregressive') return;
      assert.ok(
        own.outcomes.some(({ acceptedTokens }) => acceptedTokens > 0),
        'drafts were accepted',
      );
    });
  });
}

test('after a step that failed the team drafts for the next texts', async () => {
  await withTeam(async (engine, team) => {
    const loop = loopOf(engine, settings.greedy as DecodeSettings, team);
    const step = engine.step.bind(engine);
    let steps = 0;
    engine.step = (...given) => (++steps === 4 ? Promise.reject(new Error('lost')) : step(...given));
    const failed = await Promise.allSettled(requests.map((request) => loop.decode(request, {})));
    assert.ok(failed.some(({ status }) => status === 'rejected'));
    const after = await Promise.all(requests.map((request) => loop.decode(request, {})));
    const own = loopOf(engine, settings.greedy as DecodeSettings, ownDrafting());
    const alone = await Promise.all(requests.map((request) => own.decode(request, {})));
    assert.equal(after.map(plain), alone.map(plain));
  });
});

function plain({ outputIds, vector, ...rest }: Outcome) {
  return { ...rest, outputIds: [...outputIds], vector: vector === null ? null : [...vector] };
}

test.run();
