/** A lock object that whoever made it writes anew as long as it holds it: one of a lost machine isn't, and runs out. */
import { DareError } from '../errors.js';
import type { S3Store } from './s3.js';

/** Milliseconds. */
export interface LeaseTimes {
  /** Between two renewals. */
  renewal: number;
  /** After which a lock that isn't renewed is another's to take, by the store's clock. */
  expiry: number;
  /** Between two looks at a lock of which it isn't known yet whether it is renewed. */
  look: number;
}

/** Four renewals may fail, or come late because the network or this process is busy. */
export const leaseTimes: LeaseTimes = { renewal: 60_000, expiry: 300_000, look: 5_000 };

/** As people say it: `5 minutes`. */
export function minutes(milliseconds: number): string {
  return `${milliseconds / 60_000} minutes`;
}

/** The lock is another's by now: exit code 1, and nothing may be written any more. */
export class LeaseLost extends DareError {
  constructor(what: string, { expiry }: LeaseTimes) {
    super(
      `${what}: the lock is no longer this run's, for it was not renewed for ${minutes(expiry)} or somebody removed it: ` +
        'nothing more is written to the store',
      1,
      'What this run has finished is in the working copy of this machine alone. Look whether another run is at work, then start again.',
    );
  }
}

/** What a lock object says that was taken away from its owner, or is being given back. */
export const nobodys = 'null';

export class Lease {
  private renewals = 0;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly store: S3Store,
    readonly key: string,
    private readonly what: string,
    private readonly owner: object,
    private readonly times: LeaseTimes,
    private etag: string,
  ) {}

  /**
   * @param what it guards, for people
   * @param owner what the object says, beside the number of renewals: of no other lease
   * @returns undefined where there is such an object
   * @throws as `S3Store` does
   */
  static async make(
    store: S3Store,
    key: string,
    what: string,
    owner: object,
    times: LeaseTimes,
  ): Promise<Lease | undefined> {
    const etag = await store.putNew(key, textOf(owner, 0));
    return etag === undefined ? undefined : new Lease(store, key, what, owner, times, etag);
  }

  /**
   * Begins its time anew, and so makes sure that it is still held.
   * @throws LeaseLost; as `S3Store` does, when it is held still as far as is known
   */
  async renew(): Promise<void> {
    await this.inTurn(() => this.write((renewals) => textOf(this.owner, renewals)));
  }

  /** Removes the object, if it is still this lease's. @throws as `S3Store` does */
  async giveBack(): Promise<void> {
    await this.inTurn(async () => {
      try {
        // it is nobody's first: a key is used again, and what is removed must not be another's
        await this.write(() => nobodys);
      } catch (error) {
        if (error instanceof LeaseLost) return;
        throw error;
      }
      await this.store.remove(this.key);
    });
  }

  /** @param text of the object, which is renewed for that many times with it */
  private async write(text: (renewals: number) => string): Promise<void> {
    for (;;) {
      const next = this.renewals + 1;
      const etag = await this.store.replace(this.key, text(next), this.etag);
      const found = etag === undefined ? await this.store.read(this.key) : undefined;
      // a renewal of before, whose answer was lost, is this lease's still
      if (etag === undefined && found?.text !== textOf(this.owner, next))
        throw new LeaseLost(this.what, this.times);
      this.etag = etag ?? (found?.etag as string);
      this.renewals = next;
      if (etag !== undefined) return;
    }
  }

  /** One at a time: each has to know what the one before wrote. */
  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }
}

/** No two are the same: a store's ETag is often a hash of the content. */
function textOf(owner: object, renewals: number): string {
  return JSON.stringify({ ...owner, renewals });
}
