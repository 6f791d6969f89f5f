/** The downstream part of an evaluation: what texts are worth to a click model on the partition's own ratings. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LIST, listValue, VARCHAR } from 'duckdb';
import {
  type Arm,
  type ArmResult,
  arms,
  type ClickData,
  compareArms,
  usualDownstream,
} from '../src/evaluate/downstream.js';
import { FeatureSpace, type Places } from '../src/evaluate/features.js';
import { type Statement, statementOf } from '../src/evaluate/statement.js';
import type { Duck } from '../src/lake/duck.js';
import type { StageContext } from '../src/stage.js';
import { openCheckedInputs } from './inputs.js';
import type { SettingTrial } from './trials.js';

/** Ratings that a model learns from, at most: more of them take longer and tell little more. */
const mostClicks = 100_000;

/** A click model's figures; the verdict of those with a setting's features. */
export type ClickResult = ArmResult & Partial<Statement>;

export interface Downstream {
  /** Ratings that models were trained on and tested with. */
  ratings: number;
  seeds: number;
  /** Of the configured setting. */
  statement: string;
  results: ClickResult[];
  warnings: string[];
}

/**
 * Compares a click model without features, with those of autoregressive texts, of each setting's texts, and with shuffled
 * ones. A setting whose texts are all autoregressive ones is no arm of its own.
 * @param trials the first one is the reference
 */
export async function downstream(
  context: StageContext,
  duck: Duck,
  trials: readonly SettingTrial[],
): Promise<Downstream> {
  const [reference, ...others] = trials as [SettingTrial, ...SettingTrial[]];
  const { warnings } = await openCheckedInputs(duck, context);
  const { data, places } = await readClicks(duck, context, reference);
  const space = new FeatureSpace(reference.texts, places);
  const relaxed = others.filter(({ setting }) => setting.mode === 'relaxed');
  const compared: Arm[] = [
    { name: arms.none, features: undefined },
    { name: arms.reference, features: space.of(reference.texts) },
    { name: arms.control, features: space.shuffled(1) },
    ...relaxed.map(({ setting, texts }) => ({ name: setting.name, features: space.of(texts) })),
  ];
  const { progress, signal } = context;
  progress.start('click models', usualDownstream.seeds * compared.length);
  const results = await compareArms(data, compared, usualDownstream, async () => {
    progress.advance(1);
    // signals are answered between two trainings
    await nextTurn();
    signal.throwIfAborted();
  });
  progress.done();
  const judged = new Set(relaxed.map(({ setting }) => setting.name));
  const configured = relaxed[0]?.setting.name;
  return {
    ratings: data.liked.length,
    seeds: usualDownstream.seeds,
    statement: configured === undefined ? '' : statementOf(configured, results).sentence,
    results: results.map((one) =>
      judged.has(one.name) ? { ...one, ...statementOf(one.name, results) } : one,
    ),
    warnings,
  };
}

async function readClicks(
  duck: Duck,
  { config }: StageContext,
  { texts }: SettingTrial,
): Promise<{ data: ClickData; places: Places }> {
  const { liked, likedFrom, disliked, dislikedTo } = config.prompts.history;
  const known = texts.filter(({ entityType, entityId, vector }) => {
    return entityType !== null && entityId !== null && vector !== null;
  });
  const list = LIST(VARCHAR);
  const result = await duck.script('evaluate/clicks', {
    params: {
      types: listValue(known.map(({ entityType }) => entityType)),
      ids: listValue(known.map(({ entityId }) => entityId)),
      liked,
      liked_from: likedFrom,
      disliked,
      disliked_to: dislikedTo,
      most: mostClicks,
    },
    types: { types: list, ids: list },
  });
  const [users, items, likes, described] = (await result.getColumns()) as [
    string[],
    string[],
    number[],
    number[],
  ];
  const places = { user: new Map<string, number>(), item: new Map<string, number>() };
  const placesOf = (ids: readonly string[], map: Map<string, number>) =>
    Int32Array.from(ids, (id) => {
      const place = map.get(id) ?? map.size;
      map.set(id, place);
      return place;
    });
  const data: ClickData = {
    users: placesOf(users, places.user),
    items: placesOf(items, places.item),
    liked: Uint8Array.from(likes),
    described: Uint8Array.from(described),
  };
  return { data, places };
}
