/** The text of output ids, as the texts table has it. */
export type Detokenise = (ids: readonly number[]) => string;

/** Where a stop string ends a text. */
export interface StoppedText {
  /** Up to the stop string. */
  text: string;
  /** Tokens whose text lies wholly in it; the one that the stop string begins in isn't among them. */
  tokens: number;
}

/**
 * UTF-16 units that the text of a few tokens may differ by at its beginning from the same place in the whole text
 * (a space that a detokeniser drops, a character cut in two), and that a character to be completed may take back.
 */
const slack = 8;

/**
 * Finds stop strings in a growing text: in the decoded text, so that they may begin and end inside tokens. Of the stop
 * strings that a token completes the one that begins first counts.
 */
export class StopMatcher {
  private readonly ids: number[] = [];
  private readonly longest: number;
  private tail = 0;

  /** @param stops not empty, none of them empty */
  constructor(
    private readonly stops: readonly string[],
    private readonly detokenise: Detokenise,
  ) {
    this.longest = Math.max(...stops.map((stop) => stop.length));
  }

  /** Tokens that no stop string can take back any more. */
  get settled(): number {
    return this.tail;
  }

  /** Takes over an output token; the end of the text when the token completes a stop string. */
  append(token: number): StoppedText | undefined {
    this.ids.push(token);
    // only the end of the text is looked at, the whole only where something is found there
    const end = this.detokenise(this.ids.slice(this.tail));
    if (this.first(end) >= 0) {
      const whole = this.detokenise(this.ids);
      const at = this.first(whole);
      if (at >= 0) return this.cut(whole.slice(0, at));
    }
    const enough = this.longest + slack;
    if (end.length <= enough) return undefined;
    while (this.detokenise(this.ids.slice(this.tail + 1)).length >= enough) this.tail++;
    return undefined;
  }

  private first(text: string): number {
    const found = this.stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    return found.length === 0 ? -1 : Math.min(...found);
  }

  private cut(text: string): StoppedText {
    let tokens = this.ids.length;
    while (!text.startsWith(this.detokenise(this.ids.slice(0, tokens)))) tokens--;
    return { text, tokens };
  }
}
