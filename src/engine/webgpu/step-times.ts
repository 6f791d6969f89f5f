/** How much of a pass that also takes in prompts was its step. */

/** Weight of a new time: columns grow and clocks change, so old times count less and less. */
const weightOfNew = 1 / 8;

/**
 * Times of passes without prompts by their size. A pass of the GPU takes so much time whatever it does that its rows say
 * little of what a part of them took: the step of a pass with prompts is as long as passes of such steps alone were.
 */
export class StepTimes {
  private readonly times = new Map<string, number>();

  /** A pass of steps alone. */
  record(sequences: number, rows: number, milliseconds: number): void {
    const size = sizeOf(sequences, rows);
    const before = this.times.get(size) ?? milliseconds;
    this.times.set(size, before + (milliseconds - before) * weightOfNew);
  }

  /** Milliseconds of the step in a pass with prompts: all of them where no step of such a size was alone so far. */
  ofStep(sequences: number, rows: number, milliseconds: number): number {
    return Math.min(milliseconds, this.times.get(sizeOf(sequences, rows)) ?? milliseconds);
  }
}

/** Sizes within about a tenth are one. */
function sizeOf(sequences: number, rows: number): string {
  return `${Math.round(Math.log2(sequences) * 6)} ${Math.round(Math.log2(rows) * 6)}`;
}
