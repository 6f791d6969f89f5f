/** Locks of a lake in an object store: one run at a time, whatever machine it is on. */
import { randomUUID } from 'node:crypto';
import { refuseWhereHeld, takenOver } from '../lake/lock.js';
import { ownIdentity, type ProcessIdentity, parseIdentity, stateOf } from '../lake/process.js';
import type { Logger } from '../stage.js';
import { lockFolder } from './layout.js';
import { joinKeys } from './location.js';
import type { S3Store } from './s3.js';

/** What is locked, and what it is called. */
export interface LockName {
  /** Below the folder of locks: `texts/partition=P/whole`. */
  name: string;
  what: string;
}

/** Of everything: while it is held nobody else holds a lock, and nobody takes one. */
export const lakeLock: LockName = { name: 'lake', what: 'the lake' };

interface StoredLock {
  name: string;
  number: number;
  key: string;
  path: string;
  owner: ProcessIdentity | undefined;
  /** The working copy that its owner works on. */
  copy: string | undefined;
}

/**
 * Locks are objects `_locks/<name>-<n>`, each made only where there is none of its name. As with RunLock one whose owner
 * is gone is never replaced, but followed by the next number, and removed then.
 */
export class RemoteLocks {
  private readonly held: string[] = [];
  /** Of this object alone: a lock of the same process is another's too. */
  private readonly text: string;

  constructor(
    private readonly store: S3Store,
    private readonly prefix: string,
    /** Tells this working copy from all others. */
    private readonly copy: string,
    private readonly log: Logger,
  ) {
    this.text = JSON.stringify({ ...ownIdentity(), copy, token: randomUUID() });
  }

  /**
   * Takes all of some locks, or none.
   * @throws LockHeld where another process has one, or may have it; as `S3Store` does
   */
  async take(locks: readonly LockName[]): Promise<void> {
    try {
      for (const lock of locks) await this.takeOne(lock);
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /** Gives back what was taken. Fine to call again. Never throws: what can't be removed is said. */
  async release(): Promise<void> {
    for (const key of this.held.splice(0)) {
      try {
        await this.store.remove(key);
      } catch (error) {
        this.log.warn({ err: error }, `the lock ${this.store.url(key)} could not be given back: remove it`);
      }
    }
  }

  private async takeOne(lock: LockName): Promise<void> {
    for (;;) {
      const before = await this.others(lock);
      this.refuse(before, lock);
      const number =
        Math.max(0, ...before.filter(({ name }) => name === lock.name).map((one) => one.number)) + 1;
      const key = joinKeys(this.prefix, `${lockFolder}/${lock.name}-${number}`);
      if (!(await this.store.putNew(key, this.text))) continue;
      this.held.push(key);
      // two that came at once each see the other now
      const others = await this.others(lock);
      this.refuse(others, lock);
      for (const { key: stale, name, owner } of others) {
        if (name !== lock.name) continue;
        await this.store.remove(stale);
        if (owner !== undefined) this.log.warn({}, takenOver(lock.what, owner));
      }
      return;
    }
  }

  private refuse(found: readonly StoredLock[], { what }: LockName): void {
    const copies = new Map(found.map(({ path, copy }) => [path, copy]));
    refuseWhereHeld(found, what, (owner, { path }) => {
      const state = stateOf(owner);
      // two machines may call themselves the same: only of one that shares the working copy another start is known
      const other = state === 'gone' && owner.boot !== ownIdentity().boot && copies.get(path) !== this.copy;
      return other ? 'unknown' : state;
    });
  }

  /** Locks that exclude this one, without those that are ours. */
  private async others({ name }: LockName): Promise<StoredLock[]> {
    const folder = joinKeys(this.prefix, `${lockFolder}/`);
    const found: StoredLock[] = [];
    for (const { key } of await this.store.list(folder)) {
      const [, other = '', number] = /^(.+)-(\d+)$/.exec(key.slice(folder.length)) ?? [];
      const excludes = other === name || other === lakeLock.name || name === lakeLock.name;
      if (number === undefined || !excludes || this.held.includes(key)) continue;
      const text = (await this.store.read(key)) ?? '';
      const owner = parseIdentity(text);
      found.push({
        name: other,
        number: Number(number),
        key,
        path: this.store.url(key),
        owner,
        copy: copyIn(text),
      });
    }
    return found;
  }
}

function copyIn(text: string): string | undefined {
  try {
    const { copy } = JSON.parse(text) as { copy?: unknown };
    return typeof copy === 'string' ? copy : undefined;
  } catch {
    return undefined;
  }
}
