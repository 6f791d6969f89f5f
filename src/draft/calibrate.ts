import type { TreeRows } from '../engine/engine.js';
import type { Calibrate } from '../pool/builder.js';
import { Chances, chancePoints, encodeChances, estimateAt, pointOf } from '../pool/chances.js';
import { contextLength } from '../pool/cohort.js';
import type { RelaxedMaps } from '../pool/file.js';
import { OwnText } from '../pool/own.js';
import { encodeProfile, profileNodes } from '../pool/profile.js';
import { WithoutDocument } from '../pool/without.js';
import { asEstimated, type BetaCurve, BetaFit, chanceBy } from './beta.js';
import { type DraftBudget, Drafter } from './drafter.js';
import { isotonic } from './isotonic.js';

/** Nodes of the trees that are drafted: a usual budget. What larger trees add hardly ever comes. */
const nodes = 16;
/** Of so many drafts of mode relaxed one is made large, for the profile. */
const profiled = 8;
/**
 * Outcomes at each point that the fitted curve counts for; where there are many more, what comes may deviate from it. They
 * are many because nodes of one text come or fail together. On texts held out, any number from 200 to 1,000 does as well.
 */
const prior = 300;

const estimates = Array.from({ length: chancePoints }, (_, i) => estimateAt(i + 1));

/**
 * Learns how often paths of an estimated chance come, of all texts and of each entity type: documents are drafted, each as
 * if the pools had been built without it, so nothing is built twice, and one cohort's pool at a time is opened. Other texts
 * of the same entity stay in. They are drafted behind their prompts, where these are known: texts of some kinds repeat much of
 * their prompts, those of others little. Drafts of mode relaxed have maps of their own, since their first choices are raised;
 * what else the model would have accepted isn't known there: paths come where the text goes on along them.
 * Of these drafts some are kept as a profile: from it follows how large drafts should be that are each sized by itself.
 */
export const calibrate: Calibrate = (settings, groups, shared, members, promptOf) => {
  const { endToken } = settings;
  const context = contextLength(settings);
  const answers = groups.flatMap(({ documents }) => documents);
  const whole = answers.flatMap((document) => [document, promptOf(document) ?? document]);
  const vocabulary = 1 + largest(whole.map(largest));
  const drafter = new Drafter(vocabulary, new Set(endToken === undefined ? [] : [endToken]));
  const own = new OwnText(vocabulary, shared.maxLength);
  const strict = new ModeFit();
  const relaxed = new ModeFit();
  const profile = new ProfileFit();
  for (const { entityType, documents, open } of groups) {
    const cohort = open?.();
    for (const document of documents) {
      own.clear();
      for (const token of document) own.append(token);
      const prompt = promptOf(document);
      const answer = prompt === undefined ? document : joined(prompt, document.subarray(context));
      const from = prompt?.length ?? Math.max(1, context);
      const pools = {
        ...(cohort === undefined ? {} : { cohort: new WithoutDocument(cohort, document, own) }),
        shared: members.has(document) ? new WithoutDocument(shared, document, own) : shared,
      };
      for (const [fit, isRelaxed] of [
        [strict, false],
        [relaxed, true],
      ] as const) {
        drafter.begin(pools);
        const see = (estimate: number, came: boolean) => fit.add(entityType, estimate, came);
        const sample = (last: number, depth: number) => {
          if (!profile.wants()) return;
          drafter.draft(last, { nodes: profileNodes, minPathProbability: 0, depth, relaxed: true });
          profile.add(entityType, drafter.gains.slice());
        };
        const replayed = { nodes, relaxed: isRelaxed };
        replayDrafts(drafter, answer, from, replayed, see, isRelaxed ? sample : undefined);
      }
    }
  }
  const maps = relaxed.maps();
  return { ...strict.maps(), relaxed: { ...maps, ...profile.encoded(maps.chances, maps.chancesBy) } };
};

/** What is gathered of all texts, and of those of each entity type. */
class ByType<Gathered> {
  readonly all: Gathered;
  private readonly types = new Map<string, Gathered>();

  constructor(private readonly empty: () => Gathered) {
    this.all = empty();
  }

  add(entityType: string | null, take: (gathered: Gathered) => void): void {
    take(this.all);
    if (entityType === null) return;
    const ofType = this.types.get(entityType) ?? this.empty();
    this.types.set(entityType, ofType);
    take(ofType);
  }

  /** Of each type, in the order of their names. */
  each<Made>(make: (gathered: Gathered, entityType: string) => Made): [entityType: string, made: Made][] {
    const byName = [...this.types].sort(([a], [b]) => (a < b ? -1 : 1));
    return byName.map(([entityType, gathered]) => [entityType, make(gathered, entityType)]);
  }
}

/** Fits of the drafts of one mode. */
class ModeFit {
  private readonly fits = new ByType(() => new ChanceFit());

  add(entityType: string | null, estimate: number, came: boolean): void {
    this.fits.add(entityType, (fit) => fit.add(estimate, came));
  }

  maps(): { chances: number[]; chancesBy: [string, number[]][] } {
    const { all } = this.fits;
    const curve = all.curve();
    return {
      chances: encodeChances(all.values(curve)),
      chancesBy: this.fits.each((ofType) => encodeChances(ofType.values(ofType.curve(curve)))),
    };
  }
}

/** Estimates of some drafts, of all texts and of each entity type. */
class ProfileFit {
  private drafts = 0;
  private readonly kept = new ByType<Float64Array[]>(() => []);

  /** Whether the next draft is to be among them: over all texts, since a text's first drafts aren't like its later ones. */
  wants(): boolean {
    return this.drafts++ % profiled === 0;
  }

  add(entityType: string | null, estimates: Float64Array): void {
    this.kept.add(entityType, (drafts) => drafts.push(estimates));
  }

  /** What the estimates are worth by these maps, as it stands in a pool's metadata. */
  encoded(chances: number[], chancesBy: [string, number[]][]): Pick<RelaxedMaps, 'profile' | 'profileBy'> {
    if (this.kept.all.length === 0) return {};
    const maps = new Map(chancesBy);
    const encode = (drafts: readonly Float64Array[], encoded: readonly number[]) => {
      const map = new Chances(encoded);
      return encodeProfile(drafts.map((estimates) => estimates.map((estimate) => map.of(estimate))));
    };
    return {
      profile: encode(this.kept.all, chances),
      profileBy: this.kept.each((drafts, entityType) => encode(drafts, maps.get(entityType) ?? chances)),
    };
  }
}

/** What a replay needs of a `Drafter`. */
export interface ReplayedDrafter {
  append(token: number): void;
  draft(last: number, budget: DraftBudget): TreeRows;
  readonly gains: Float64Array;
}

/**
 * Drafts a text from a place on, as greedy decoding of it would (with drafts of mode relaxed, if asked for), and tells of each
 * node what its chance was said to be, and whether it came: whether the text goes on along the whole path to it.
 * @param drafter has begun, and was given nothing yet
 * @param from at least 1
 * @param budget of each draft: its nodes
 * @param sample called before each draft with its last token and depth; may make others
 */
export function replayDrafts(
  drafter: ReplayedDrafter,
  text: Int32Array,
  from: number,
  { nodes, relaxed = false }: { nodes: number; relaxed?: boolean },
  see: (chance: number, came: boolean) => void,
  sample?: (last: number, depth: number) => void,
): void {
  for (const token of text.subarray(0, from)) drafter.append(token);
  for (let at = from; at < text.length; ) {
    const depth = text.length - at;
    const last = text[at - 1] as number;
    sample?.(last, depth);
    const { tokens, parents } = drafter.draft(last, { nodes, minPathProbability: 0, depth, relaxed });
    const { gains } = drafter;
    const depths = new Int32Array(tokens.length).fill(-1);
    depths[0] = 0;
    let longest = 0;
    for (let row = 1; row < tokens.length; row++) {
      const before = depths[parents[row] as number] as number;
      const came = before >= 0 && text[at + before] === tokens[row];
      if (came) longest = depths[row] = before + 1;
      see(gains[row - 1] as number, came);
    }
    const end = Math.min(text.length, at + longest + 1);
    for (; at < end; at++) drafter.append(text[at] as number);
  }
}

/** Fits a map of chances to outcomes: a smooth curve, and what is seen beside it where there is much to see. */
export class ChanceFit {
  private readonly smooth = new BetaFit();
  /** Outcomes by point, and by how much they exceed the estimates; each counts at the points on its two sides. */
  private readonly weights = new Float64Array(chancePoints + 1);
  private readonly excess = new Float64Array(chancePoints + 1);

  add(estimate: number, came: boolean): void {
    this.smooth.add(estimate, came);
    const { point, beyond } = pointOf(estimate);
    const excess = (came ? 1 : 0) - estimate;
    this.count(point, 1 - beyond, excess);
    this.count(point + 1, beyond, excess);
  }

  /** @param usual curve that few outcomes don't lead far from */
  curve(usual = asEstimated): BetaCurve {
    return this.smooth.curve(usual);
  }

  /** Values at the points but for the first, never falling. */
  values(curve = this.curve()): number[] {
    const weights = estimates.map((_, i) => prior + (this.weights[i + 1] as number));
    const raised = estimates.map((estimate, i) => {
      const excess = prior * (chanceBy(curve, estimate) - estimate) + (this.excess[i + 1] as number);
      return estimate + excess / (weights[i] as number);
    });
    return isotonic(raised, weights);
  }

  private count(point: number, weight: number, excess: number): void {
    this.weights[point] = (this.weights[point] as number) + weight;
    this.excess[point] = (this.excess[point] as number) + weight * excess;
  }
}

function joined(prompt: Int32Array, answer: Int32Array): Int32Array {
  const whole = new Int32Array(prompt.length + answer.length);
  whole.set(prompt);
  whole.set(answer, prompt.length);
  return whole;
}

function largest(tokens: ArrayLike<number>): number {
  let most = -1;
  for (let i = 0; i < tokens.length; i++) most = Math.max(most, tokens[i] as number);
  return most;
}
