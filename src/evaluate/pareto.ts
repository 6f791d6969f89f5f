import type { Setting } from './rows.js';

/** What a setting brings and costs, over all texts of the sample. */
export interface TunedSetting {
  setting: Setting;
  /** Of a token, by a cost table: measured times of the same work differ more than settings do. */
  milliseconds: number;
  /** Nats a token that relaxed tokens gave away: divergence over tokens. */
  loss: number;
}

/** Times this close to each other are taken as equal: a cost table is measured, too. */
const equally = 0.01;

/** Those than which none is both at least as fast and loses no more, with one of the two better; by loss, then time. */
export function paretoFront<T extends Pick<TunedSetting, 'loss' | 'milliseconds'>>(
  settings: readonly T[],
): T[] {
  const beats = (a: T, b: T) =>
    a.loss <= b.loss &&
    a.milliseconds <= b.milliseconds &&
    (a.loss < b.loss || a.milliseconds < b.milliseconds);
  return settings
    .filter((one) => !settings.some((other) => beats(other, one)))
    .sort((a, b) => a.loss - b.loss || a.milliseconds - b.milliseconds);
}

/**
 * The fastest of the settings that lose at most so much; of those that are as fast the one that loses least, of these the first.
 * @param maxLoss nats a token
 */
export function chooseSetting<T extends Pick<TunedSetting, 'loss' | 'milliseconds'>>(
  settings: readonly T[],
  maxLoss: number,
): T | undefined {
  const allowed = settings.filter(({ loss }) => loss <= maxLoss);
  const least = Math.min(...allowed.map(({ milliseconds }) => milliseconds));
  return paretoFront(allowed).find(({ milliseconds }) => milliseconds <= least * (1 + equally));
}
