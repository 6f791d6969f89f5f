/**
 * Which texts stay in a pool that may hold so many tokens: the longest beginning, in the order of their usefulness, that
 * fits. A text that is longer than the whole pool is passed over; any other that doesn't fit ends the beginning.
 */
interface Ranked {
  document: Int32Array;
  score: number;
  /** Place among all offered: the earlier one wins where scores are equal. */
  place: number;
}

/**
 * Keeps the best of the documents offered, in memory no more than fit and one. The order in which they are offered
 * decides between equal scores only.
 */
export class Retention {
  /** A binary heap, the least useful first. */
  private readonly kept: Ranked[] = [];
  private tokens = 0;
  private offered = 0;
  /** The best that didn't fit: nothing behind it is kept. */
  private barrier: { score: number; place: number } | undefined;

  constructor(private readonly maxTokens: number) {}

  /** Whether a document with this score would be kept if it is short enough, offered next. */
  wants(score: number): boolean {
    return this.barrier === undefined || score > this.barrier.score;
  }

  /** @param score how useful the document is; larger is better */
  offer(document: Int32Array, score: number): void {
    const place = this.offered++;
    if (document.length > this.maxTokens || !this.wants(score)) return;
    this.kept.push({ document, score, place });
    this.tokens += document.length;
    this.rise(this.kept.length - 1);
    while (this.tokens > this.maxTokens) this.dropWorst();
  }

  /** The documents that are kept, the most useful first. */
  documents(): Int32Array[] {
    return [...this.kept].sort((a, b) => -order(a, b)).map(({ document }) => document);
  }

  private dropWorst(): void {
    const worst = this.kept[0] as Ranked;
    this.barrier = worst;
    this.tokens -= worst.document.length;
    const last = this.kept.pop() as Ranked;
    if (this.kept.length === 0) return;
    this.kept[0] = last;
    this.sink();
  }

  private rise(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (order(this.kept[parent] as Ranked, this.kept[at] as Ranked) <= 0) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private sink(): void {
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        const candidate = this.kept[child];
        if (candidate !== undefined && order(candidate, this.kept[least] as Ranked) < 0) least = child;
      }
      if (least === at) return;
      this.swap(at, least);
      at = least;
    }
  }

  private swap(a: number, b: number): void {
    const held = this.kept[a] as Ranked;
    this.kept[a] = this.kept[b] as Ranked;
    this.kept[b] = held;
  }
}

/** Below 0 where `a` is less useful than `b`. */
function order(a: { score: number; place: number }, b: { score: number; place: number }): number {
  return a.score - b.score || b.place - a.place;
}

/**
 * Documents of several cohorts for one pool of at most `maxTokens` tokens, as many from each: of every cohort the longest
 * beginning of at most q tokens, q being the largest number with which they fit. Cohorts that are shorter than q leave
 * their room to the others. The result doesn't depend on the order of the cohorts.
 */
export class BalancedDocuments {
  private readonly groups: { documents: Int32Array[]; tokens: number }[] = [];
  private total = 0;
  /** No cohort gets so many tokens: with that many they didn't fit. */
  private level = Number.POSITIVE_INFINITY;

  constructor(private readonly maxTokens: number = Number.POSITIVE_INFINITY) {}

  /** Adds the documents of one cohort, the most useful first. */
  add(documents: Iterable<Int32Array>): void {
    const group = { documents: [] as Int32Array[], tokens: 0 };
    this.groups.push(group);
    for (const document of documents) {
      if (group.tokens + document.length >= this.level) return;
      group.documents.push(document);
      group.tokens += document.length;
      this.total += document.length;
      const { length } = group.documents;
      while (this.total > this.maxTokens) this.lower();
      // a beginning: nothing follows what was taken out
      if (group.documents.length < length) return;
    }
  }

  documents(): Int32Array[] {
    return this.groups.flatMap(({ documents }) => documents);
  }

  /** Takes the last document from the cohorts that have the most tokens. */
  private lower(): void {
    this.level = this.groups.reduce((most, { tokens }) => Math.max(most, tokens), 0);
    for (const group of this.groups) {
      if (group.tokens !== this.level) continue;
      const { length } = group.documents.pop() as Int32Array;
      group.tokens -= length;
      this.total -= length;
    }
  }
}
