import { calibrate } from '../draft/calibrate.js';
import type { RoundText } from '../lake/kept-texts.js';
import { PoolBuilder, type PoolSettings, type PromptLookup, tokensForThread } from '../pool/builder.js';
import { type PoolSet, setVersion } from '../pool/folder.js';

/**
 * Pools of a run's own texts. Texts join them between rounds only, and in the order of their ids: so no text depends on
 * the order in which others were finished, nor on how often the run was interrupted.
 */
export class RoundPools {
  private readonly builder: PoolBuilder;
  private round: RoundText[] = [];

  /** @param lookup brings prompts of the texts */
  constructor(
    settings: PoolSettings,
    private readonly lookup: PromptLookup,
  ) {
    this.builder = new PoolBuilder(settings, calibrate);
  }

  /** A text of the round that is being decoded. */
  add(text: RoundText): void {
    this.round.push(text);
  }

  /** Ends the round. Returns how many texts there are. */
  endRound(): number {
    this.round.sort((a, b) => (a.promptId < b.promptId ? -1 : 1));
    for (const { entityType, cohort, ids, ended, promptId } of this.round)
      this.builder.add(entityType, cohort, ids, ended, promptId);
    this.round = [];
    return this.builder.texts;
  }

  /** How many texts there are, of all rounds that have ended. */
  get texts(): number {
    return this.builder.texts;
  }

  /** The pools of all rounds that have ended. @throws as `PoolBuilder.buildBeside` */
  async build(signal: AbortSignal): Promise<PoolSet> {
    const built = await this.builder.buildBeside(signal, tokensForThread, this.lookup);
    return {
      bytes: new Map(built.map(({ key, bytes }) => [key, bytes])),
      version: setVersion(built.map(({ metadata }) => metadata)),
    };
  }
}
