/**
 * Drafts of one size rule for all texts of a kind: where a text must not depend on what is decoded beside it, how large its
 * drafts are can't be learnt from the batch. The rule follows from what drafts are like (a profile that pools have), and from
 * what steps cost: of all rules of the kind "rows of at least this chance, at most so many" the one with the most tokens a
 * millisecond in steps of texts that are all alike. An engine that takes lines alone gets the rule for trees: a little too small.
 */
import type { DraftPools } from '../draft/drafter.js';
import { type CostTable, costCurve, withHost } from '../engine/cost-table.js';
import type { DraftProfile } from '../pool/profile.js';
import { type Budget, type BudgetRules, type DraftLimit, FixedBudget, given } from './budget.js';

/**
 * Tokens a millisecond that drafts must promise for each that plain decoding has; else there are none. A promise is no more
 * than that: where texts weren't like those of the pools, drafts brought 7% fewer tokens a step than their profile said, and
 * steps with a few short drafts took 3% longer than by the cost table.
 */
const leastSpeedup = 1.1;
/** Drafts where no pool tells: one in four goes on for a while with even chances, as texts that repeat themselves do. */
const usualProfile: DraftProfile = [
  Float64Array.from({ length: 8 }, (_, n) => 0.5 ** (n + 1)),
  new Float64Array(0),
  new Float64Array(0),
  new Float64Array(0),
];
/** Fewer drafts of an entity type say less of it than those of all texts; fewer of all texts say nothing. */
const fewest = 32;
/** Chances that are tried as the least of a row, 10% apart. */
const leastChances = Array.from({ length: 60 }, (_, i) => 0.9 ** i);
/** Most rows that are tried. */
const mostRows = [
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  10,
  12,
  14,
  16,
  20,
  24,
  28,
  32,
  40,
  48,
  56,
  64,
  Number.POSITIVE_INFINITY,
];

const none: DraftLimit = { nodes: 0, minPathProbability: 1 };

/** Budgets of texts that are each decided for by itself. */
export class OwnBudgets {
  private readonly known = new Map<DraftProfile, Budget>();

  private readonly limitOf: (profile: DraftProfile) => DraftLimit;

  /** @param rules texts are decided for as if the largest batch of its cost table were decoded */
  constructor({ costs, nodes }: Pick<BudgetRules, 'costs' | 'nodes'>) {
    const table = nodes === 0 ? undefined : given(costs);
    this.limitOf = (profile) => (table === undefined ? none : bestLimit(profile, table, nodes));
  }

  /** The budget of all texts that draft from pools with the same profile: nothing is learnt by it. */
  of(pools: DraftPools): Budget {
    const profile = profileOf(pools);
    const known = this.known.get(profile) ?? new FixedBudget(this.limitOf(profile));
    this.known.set(profile, known);
    return known;
  }
}

function profileOf({ cohort, shared }: DraftPools): DraftProfile {
  const { profile, profileBy } = shared?.relaxed ?? {};
  const known = [profileBy?.get(cohort?.entityType ?? ''), profile];
  return known.find((drafts) => drafts !== undefined && drafts.length >= fewest) ?? usualProfile;
}

/**
 * The rule with the most tokens a millisecond for texts whose drafts are like these; no drafts where none reaches `leastSpeedup`.
 * @param costs the largest batch of it is decoded
 * @param nodes of a draft, at most
 */
export function bestLimit(profile: DraftProfile, costs: CostTable, nodes: number): DraftLimit {
  const batch = costs.batch[costs.batch.length - 1] as number;
  const curve = costCurve(withHost(costs), batch);
  const { padding = 0, draft = 0 } = costs;
  let best = none;
  let most = leastSpeedup / curve.at(1);
  for (const limit of mostRows) {
    for (const minPathProbability of leastChances) {
      const { rows, longest, tokens } = stepOf(profile, batch, Math.min(limit, nodes), minPathProbability);
      if (rows === 0) continue;
      const time = curve.at(1 + rows) + batch * (draft + padding * (longest - rows));
      // by less than this a larger draft isn't better, whatever sums round to
      if (tokens / time <= most * (1 + 1e-9)) continue;
      most = tokens / time;
      best = { nodes: Math.min(limit, nodes), minPathProbability };
    }
  }
  return best;
}

/** Means of a step whose texts draft as the profile does: draft rows and tokens of a text, and rows of the longest draft. */
function stepOf(
  profile: DraftProfile,
  batch: number,
  nodes: number,
  least: number,
): { rows: number; longest: number; tokens: number } {
  let rows = 0;
  let tokens = 0;
  const counts: number[] = [];
  for (const gains of profile) {
    let kept = 0;
    while (kept < gains.length && kept < nodes && (gains[kept] as number) >= least) {
      tokens += gains[kept] as number;
      kept++;
    }
    rows += kept;
    counts[kept] = (counts[kept] ?? 0) + 1;
  }
  // the longest of a batch is that long unless all texts' drafts are shorter
  let longest = 0;
  let shorter = 0;
  for (let kept = 1; kept < counts.length; kept++) {
    shorter += counts[kept - 1] ?? 0;
    longest += 1 - (shorter / profile.length) ** batch;
  }
  return { rows: rows / profile.length, longest, tokens: 1 + tokens / profile.length };
}
