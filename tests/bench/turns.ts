/** Trials that find each contender's fastest setting, and the measured turns. */
import { runError } from '../../src/errors.js';
import type { PromptRow } from '../../src/lake/pages.js';
import { type Contender, describe, type Setting } from './contender.js';
import { addSums, figuresOf, medianFigures, type Result, type Sums } from './measure.js';

/** Prompts by entity type. */
export type Groups = readonly [entity: string, prompts: readonly PromptRow[]][];

/** A contender with its fastest setting at concurrency 1, where that was tried, and of all. */
export interface Chosen {
  contender: Contender;
  one: Setting | undefined;
  best: Setting;
}

type Say = (text: string) => void;

/** All prompts once, entity by entity; their sum is the entity `all`. Undefined: out of memory. */
async function runAll({ run }: Contender, groups: Groups, setting: Setting) {
  const sums = new Map<string, Sums>();
  const texts = new Map<string, string>();
  for (const [entity, prompts] of groups) {
    const result = await run(prompts, setting);
    if (result === undefined) return undefined;
    sums.set(entity, result.sums);
    for (const [id, text] of result.texts) texts.set(id, text);
  }
  sums.set('all', addSums([...sums.values()]));
  return { sums, texts };
}

/**
 * Each contender's fastest settings over all prompts, in one run each; it warms everything up as well.
 * @returns them, and the first contender's texts by prompt id
 */
export async function chooseSettings(
  contenders: readonly Contender[],
  groups: Groups,
  say: Say,
): Promise<{ chosen: Chosen[]; texts: Map<string, string> }> {
  const reference = new Map<string, string>();
  const chosen: Chosen[] = [];
  for (const contender of contenders) {
    const speeds: { setting: Setting; speed: number }[] = [];
    for (const setting of contender.settings) {
      const title = `trial: ${contender.mode} at ${describe(setting)}`;
      const run = await runAll(contender, groups, setting);
      if (run === undefined) {
        say(`${title}: out of memory`);
        continue;
      }
      const { sums, texts } = run;
      const speed = figuresOf(sums.get('all') as Sums).tokensPerSecond;
      if (reference.size === 0) for (const [id, text] of texts) reference.set(id, text);
      const same = [...texts].filter(([id, text]) => reference.get(id) === text).length;
      say(`${title}: ${speed.toFixed(0)} tokens/s, ${same} of ${texts.size} texts as the first`);
      speeds.push({ setting, speed });
    }
    speeds.sort((a, b) => b.speed - a.speed);
    const best = speeds[0]?.setting;
    const one = speeds.find(({ setting }) => setting.concurrency === 1)?.setting;
    if (best === undefined) throw runError(`${contender.mode} has no memory for its smallest batch`);
    chosen.push({ contender, one, best });
  }
  return { chosen, texts: reference };
}

/** Every contender at concurrency 1 and at its best, in turns, so that the machine's moods meet all alike. */
export async function measure(
  chosen: readonly Chosen[],
  groups: Groups,
  count: number,
  say: Say,
): Promise<Omit<Result, 'predictedTokensPerSecond'>[]> {
  const cases = chosen
    .flatMap(({ contender, one, best }) =>
      [...new Set(one === undefined ? [best] : [one, best])].map((setting) => ({
        contender,
        setting,
        turns: [] as Map<string, Sums>[],
      })),
    )
    .sort((a, b) => Number(a.setting.concurrency > 1) - Number(b.setting.concurrency > 1));
  for (let turn = 0; turn < count; turn++) {
    // there and back: a machine that slows down or speeds up meanwhile meets no mode always last
    for (const { contender, setting, turns } of turn % 2 === 0 ? cases : cases.toReversed()) {
      const run = await runAll(contender, groups, setting);
      if (run === undefined) throw runError(`${contender.mode} at ${describe(setting)}: out of memory`);
      turns.push(run.sums);
    }
    say(`turn ${turn + 1} of ${count} done`);
  }
  const entities = [...groups.map(([entity]) => entity), 'all'];
  return cases.flatMap(({ contender, setting, turns }) =>
    entities.map((entity) => {
      const figures = medianFigures(turns.map((sums) => sums.get(entity) as Sums));
      return { mode: contender.mode, entity, ...setting, ...figures };
    }),
  );
}
