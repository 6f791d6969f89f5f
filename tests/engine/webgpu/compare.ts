/** Comparisons of two engines' verdicts. */
import * as assert from 'uvu/assert';
import type { Engine, StepInput, TreeRows, Verdicts } from '../../../src/engine/engine.js';
import { tolerance } from './fixture.js';

export interface Compared {
  topK: number;
  /** Whether the steps were asked for logits. */
  logits: boolean;
}

/** That both engines' verdicts on a tree say the same. */
export function assertSameVerdicts(
  found: Verdicts,
  expected: Verdicts,
  { tokens }: TreeRows,
  { topK, logits }: Compared,
  where: string,
): void {
  tokens.forEach((_, row) => {
    const at = `${where}, row ${row}`;
    for (let rank = 0; rank < topK; rank++) {
      close(found.logit(row, rank), expected.logit(row, rank), `${at}, logit ${rank}`);
      close(found.probability(row, rank), expected.probability(row, rank), `${at}, probability ${rank}`);
      // logits that are nearly the same may stand in either order
      if (stands(expected, row, rank, topK))
        assert.is(found.token(row, rank), expected.token(row, rank), `${at}, token ${rank}`);
    }
    if (row > 0) close(found.ownProbability(row), expected.ownProbability(row), `${at}, own probability`);
    allClose(found.hidden(row), expected.hidden(row), `${at}, hidden`);
    if (logits) allClose(found.logits(row), expected.logits(row), `${at}, logits`);
  });
}

/** One step of both engines with the same trees, whose verdicts must be the same. Returns the first one's. */
export async function stepBoth(
  found: Engine,
  expected: Engine,
  inputs: readonly StepInput[],
  topK: number,
  logits: boolean,
  where: string,
): Promise<Verdicts[]> {
  const verdicts = await found.step(inputs, topK, { logits });
  const others = await expected.step(inputs, topK, { logits });
  inputs.forEach(({ slot, tree }, i) => {
    const compared = { topK, logits };
    assertSameVerdicts(
      verdicts[i] as Verdicts,
      others[i] as Verdicts,
      tree,
      compared,
      `${where}, slot ${slot}`,
    );
  });
  return verdicts;
}

function stands(verdicts: Verdicts, row: number, rank: number, topK: number): boolean {
  const logit = verdicts.logit(row, rank);
  const gaps = [rank - 1, rank + 1]
    .filter((other) => other >= 0 && other < topK)
    .map((other) => Math.abs(verdicts.logit(row, other) - logit));
  // what follows the last rank isn't known
  return rank < topK - 1 && gaps.every((gap) => gap > 2 * tolerance);
}

function allClose(found: Float32Array, expected: Float32Array, where: string): void {
  assert.is(found.length, expected.length, where);
  found.forEach((value, i) => {
    close(value, expected[i] as number, `${where} ${i}`);
  });
}

function close(found: number, expected: number, where: string): void {
  // NaN must fail too
  assert.ok(Math.abs(found - expected) <= tolerance, `${where}: ${found}, expected ${expected}`);
}
