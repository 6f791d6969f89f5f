import { z } from 'zod';
import type { Config } from '../src/config/schema.js';
import { DareError } from '../src/errors.js';
import type { Duck } from '../src/lake/duck.js';

/** What makes a text no use, in the order in which it is told. */
export const FAULTS = ['empty', 'cut', 'repetitive', 'unparsable', 'failed'] as const;
export type Fault = (typeof FAULTS)[number];

/** Shares from 0 to 1: `failed` of all prompts, `unparsable` of the texts of rlmrec, the others of all texts. */
export type Quality = Record<Fault, number>;

interface Judged {
  share: number;
  /** A prompt whose text has the fault. */
  example: string | null;
}

const MEANINGS: Readonly<Record<Fault, string>> = {
  empty: 'empty',
  cut: 'cut off (finish_reason length or context)',
  repetitive: 'repetitive',
  unparsable: 'no JSON with the keys summarization and reasoning',
  failed: 'without a text',
};
const REMEDIES: Readonly<Record<Fault, string>> = {
  empty: 'look at the prompts and decode.stop',
  cut: 'raise decode.maxNewTokens',
  repetitive: 'set decode.repetitionPenalty',
  unparsable: 'raise decode.maxNewTokens, or take a model that writes JSON',
  failed: 'see the column error',
};

const sharesSchema = z.object(
  Object.fromEntries(FAULTS.map((fault) => [fault, z.number()])) as Record<Fault, z.ZodNumber>,
);

/**
 * Which shares of published features are above the limits that there are now: one phrase each. None where the manifest
 * doesn't tell the shares.
 * @param quality as the manifest of the features has it
 */
export function aboveLimits(quality: unknown, limits: Config['publish']['quality']): string[] {
  const shares = sharesSchema.safeParse(quality).data;
  if (shares === undefined) return [];
  return exceeding(shares, limits).map(
    (fault) =>
      `publish.quality.${fault}: ${percent(shares[fault])} ${MEANINGS[fault]}, more than ${percent(limits[fault])}`,
  );
}

function exceeding(quality: Quality, limits: Config['publish']['quality']): Fault[] {
  return FAULTS.filter((fault) => quality[fault] > limits[fault]);
}

/**
 * Judges the texts of the view `texts` against `publish.quality`.
 * @throws runError when a share is above its limit; it holds all shares as `quality`
 */
export async function checkQuality(
  duck: Duck,
  { publish: { quality: limits } }: Config,
  source: string,
): Promise<Quality> {
  const judged = await judge(duck);
  const quality = Object.fromEntries(FAULTS.map((fault) => [fault, judged[fault].share])) as Quality;
  const exceeded = exceeding(quality, limits);
  if (exceeded.length === 0) return quality;
  const reasons = exceeded.map((fault) => {
    const { share, example } = judged[fault];
    return (
      `${percent(share)} ${MEANINGS[fault]}, more than publish.quality.${fault} (${percent(limits[fault])}) ` +
      `allows, such as that of prompt ${JSON.stringify(example)}`
    );
  });
  const others = FAULTS.filter((fault) => !exceeded.includes(fault));
  const rest = others.map((fault) => `${percent(judged[fault].share)} ${fault}`).join(', ');
  throw new DareError(
    `the texts in ${source} aren't good enough to be published: ${reasons.join('; ')}` +
      `${rest === '' ? '' : `; beside it ${rest}`}. The features stay as they were`,
    1,
    `Look at these texts, then ${[...new Set(exceeded.map((fault) => REMEDIES[fault]))].join('; ')}, and decode again; ` +
      `or set ${exceeded.map((fault) => `publish.quality.${fault}`).join(', ')} higher (1: off).`,
    { details: { quality } },
  );
}

async function judge(duck: Duck): Promise<Record<Fault, Judged>> {
  const judged = Object.fromEntries(
    FAULTS.map((fault) => [fault, { share: 0, example: null } as Judged]),
  ) as Record<Fault, Judged>;
  await duck.script('features/faults');
  for (const row of await duck.scriptRows('features/quality')) {
    const { fault, texts, bad, example } = row as unknown as {
      fault: Fault;
      texts: number;
      bad: number;
      example: string | null;
    };
    judged[fault] = { share: texts === 0 ? 0 : bad / texts, example };
  }
  return judged;
}

/** A share as a reader wants it, and never 0% where it isn't 0. */
function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))}%`;
}
