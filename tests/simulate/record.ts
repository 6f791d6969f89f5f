/** Texts as the model gives them, with the runner-up of each token: what relaxed matching is replayed from. */
import type { Engine } from '../../src/engine/engine.js';

export interface Recording {
  /** Without the end token. */
  ids: number[];
  /** Of each token, the end token too: the second-best one, where relaxed verification would take it, and its nats. */
  secondIds: (number | null)[];
  secondCosts: (number | null)[];
  finishReason: 'stop' | 'length';
}

export interface RecordingRule {
  maxNewTokens: number;
  /** Least probability of a runner-up. */
  minProb: number;
  endTokens: ReadonlySet<number>;
}

/** Decodes prompts greedily and without drafts, as many together as the engine has slots. */
export async function record(
  engine: Engine,
  prompts: readonly Int32Array[],
  rule: RecordingRule,
  done: (finished: number) => void = () => undefined,
): Promise<Recording[]> {
  const recordings = prompts.map((): Recording => {
    return { ids: [], secondIds: [], secondCosts: [], finishReason: 'length' };
  });
  /** Prompt and last token of each slot in use. */
  const active = new Map<number, { place: number; last: number }>();
  let waiting = 0;
  while (waiting < prompts.length || active.size > 0) {
    for (let slot = 0; slot < engine.slots && waiting < prompts.length; slot++) {
      if (active.has(slot)) continue;
      const ids = prompts[waiting] as Int32Array;
      await engine.admit(slot, ids);
      active.set(slot, { place: waiting++, last: ids[ids.length - 1] as number });
    }
    const slots = [...active];
    const inputs = slots.map(([slot, { last }]) => {
      return { slot, tree: { tokens: Int32Array.of(last), parents: Int32Array.of(-1) } };
    });
    const verdicts = await engine.step(inputs, 2);
    for (const [i, [slot, sequence]] of slots.entries()) {
      const verdict = verdicts[i] as (typeof verdicts)[number];
      const recording = recordings[sequence.place] as Recording;
      const [best, second] = [verdict.probability(0, 0), verdict.probability(0, 1)];
      const passes = second >= rule.minProb;
      recording.secondIds.push(passes ? verdict.token(0, 1) : null);
      recording.secondCosts.push(passes ? Math.log(best / second) : null);
      sequence.last = verdict.token(0, 0);
      const stopped = rule.endTokens.has(sequence.last);
      if (stopped) recording.finishReason = 'stop';
      else recording.ids.push(sequence.last);
      if (!stopped && recording.ids.length < rule.maxNewTokens) engine.keep(slot, [0]);
      else {
        engine.release(slot);
        active.delete(slot);
        done(1);
      }
    }
  }
  return recordings;
}
