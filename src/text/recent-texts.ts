/** What is kept at most: texts of one generation (there are two), and the characters of each. */
export interface RecentLimits {
  most: number;
  longest: number;
}

/** Some megabytes, whatever comes. */
const ofPrompts: RecentLimits = { most: 128, longest: 1 << 14 };

/**
 * What was made of texts lately: token ids, for one. Two generations: what is asked for again moves to the younger one,
 * and when that is full the older one goes. So what comes in every prompt stays, however many other texts come between.
 */
export class RecentTexts<Made> {
  private younger = new Map<string, Made>();
  private older = new Map<string, Made>();

  constructor(private readonly limits: RecentLimits = ofPrompts) {}

  /** What was made of a text, by `make` where it isn't known. */
  of(text: string, make: () => Made): Made {
    const known = this.younger.get(text);
    if (known !== undefined) return known;
    const made = this.older.get(text) ?? make();
    if (text.length <= this.limits.longest) {
      if (this.younger.size === this.limits.most) {
        this.older = this.younger;
        this.younger = new Map();
      }
      this.younger.set(text, made);
    }
    return made;
  }
}
