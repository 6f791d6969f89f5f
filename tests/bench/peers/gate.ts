/**
 * Keeps prompts' processing and decoding apart, so that each can be timed: any number of decode steps run together, a
 * prefill runs alone. Prefills go first.
 */
export class Gate {
  /** Milliseconds inside prefills. */
  prefill = 0;
  private steps = 0;
  private prefills = 0;
  private tail: Promise<void> = Promise.resolve();
  private readonly waiting: (() => void)[] = [];

  /** Runs a decode step once no prefill is under way or waiting. */
  async step<T>(work: () => Promise<T>): Promise<T> {
    while (this.prefills > 0) await this.change();
    this.steps++;
    try {
      return await work();
    } finally {
      this.steps--;
      this.wake();
    }
  }

  /** Runs a prefill after those before it and the steps under way. */
  async alone(work: () => Promise<void>): Promise<void> {
    this.prefills++;
    const before = this.tail;
    let done = () => {};
    this.tail = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    while (this.steps > 0) await this.change();
    const started = performance.now();
    try {
      await work();
    } finally {
      this.prefill += performance.now() - started;
      this.prefills--;
      done();
      this.wake();
    }
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
