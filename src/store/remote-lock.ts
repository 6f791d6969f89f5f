/** Locks of a lake in an object store: one run at a time, whatever machine it is on. */
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { named, refuseWhereHeld, takenOver } from '../lake/lock.js';
import { ownIdentity, type ProcessIdentity, parseIdentity, stateOf } from '../lake/process.js';
import type { StageTools } from '../stage.js';
import { lockFolder } from './layout.js';
import { Lease, LeaseLost, type LeaseTimes, leaseTimes, minutes, nobodys } from './lease.js';
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

export interface LockPlace {
  store: S3Store;
  /** Key of the lake in its bucket. */
  prefix: string;
  /** Tells this working copy from all others. */
  copy: string;
}

interface StoredLock {
  name: string;
  number: number;
  key: string;
  path: string;
  etag: string;
  /** Undefined where the lock is nobody's. */
  owner: ProcessIdentity | undefined;
  /**
   * Of its owner: `running` and `gone` where it can be seen from here, `expired` where it can't and the lock isn't renewed
   * any more, else `unknown`.
   */
  state: 'running' | 'gone' | 'expired' | 'unknown';
}

/**
 * Locks are objects `_locks/<name>-<n>`, each made only where there is none of its name. As with RunLock one whose owner
 * is gone is never replaced, but followed by the next number, and removed then. Whether the owner on another machine is
 * gone nobody can tell, so a lock is a lease: it runs out where it isn't renewed.
 */
export class RemoteLocks {
  private readonly held: Lease[] = [];
  /** Of this object alone: a lock of the same process is another's too. */
  private readonly owner: object;
  private renewing: NodeJS.Timeout | undefined;
  private unreachable = false;

  /**
   * @param onLost told when a renewal finds that a lock is another's
   * @param identity who takes them, if it isn't this process
   */
  constructor(
    private readonly place: LockPlace,
    private readonly tools: Pick<StageTools, 'log' | 'signal'>,
    private readonly onLost: (error: LeaseLost) => void,
    private readonly times: LeaseTimes = leaseTimes,
    identity: ProcessIdentity = ownIdentity(),
  ) {
    this.owner = { ...identity, copy: place.copy, token: randomUUID() };
  }

  /**
   * Takes all of some locks, or none. Waits where it can't be seen whether the owner of one is gone, until it renews the
   * lock or its time has run out.
   * @throws LockHeld where another process has one; as `S3Store` does; `signal.reason`
   */
  async take(locks: readonly LockName[]): Promise<void> {
    try {
      for (const lock of locks) await this.takeOne(lock);
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /** Makes sure that all are still held, for as long as a lock lasts. @throws LeaseLost; as `S3Store` does */
  readonly confirm = async (): Promise<void> => {
    await Promise.all(this.held.map((lease) => lease.renew()));
  };

  /** Gives back what was taken. Fine to call again. Never throws: what can't be removed is said. */
  async release(): Promise<void> {
    clearInterval(this.renewing);
    this.renewing = undefined;
    for (const lease of this.held.splice(0)) {
      try {
        await lease.giveBack();
      } catch (error) {
        const { log } = this.tools;
        const url = this.place.store.url(lease.key);
        const free = `others are let in when it has not been renewed for ${minutes(this.times.expiry)}`;
        log.warn({ err: error }, `the lock ${url} could not be given back: ${free}`);
      }
    }
  }

  private async takeOne(lock: LockName): Promise<void> {
    const { store, prefix } = this.place;
    for (;;) {
      const before = await this.withoutUnknown(lock);
      const number =
        Math.max(0, ...before.filter(({ name }) => name === lock.name).map((one) => one.number)) + 1;
      const key = joinKeys(prefix, `${lockFolder}/${lock.name}-${number}`);
      const lease = await Lease.make(store, key, lock.what, this.owner, this.times);
      if (lease === undefined) continue;
      this.held.push(lease);
      this.renewing ??= setInterval(() => void this.renew(), this.times.renewal).unref();
      // two that came at once each see the other now
      const others = await this.others(lock);
      refuseAtWork(others, lock, ({ state }) => state === 'running' || state === 'unknown');
      for (const one of others) await this.takeOver(one, lock);
      return;
    }
  }

  /** Waits until nothing is unknown of the owners of locks that exclude this one. @throws LockHeld where one is at work */
  private async withoutUnknown(lock: LockName): Promise<StoredLock[]> {
    const { log, signal } = this.tools;
    /** Key -> ETag, as it was first seen. */
    const seen = new Map<string, string>();
    for (;;) {
      const found = await this.others(lock);
      const renewed = ({ key, etag, state }: StoredLock) =>
        state === 'unknown' && seen.has(key) && seen.get(key) !== etag;
      refuseAtWork(found, lock, (one) => one.state === 'running' || renewed(one));
      const unknown = found.filter(({ state }) => state === 'unknown');
      if (unknown.length === 0) return found;
      for (const { key, etag, owner } of unknown) {
        if (seen.has(key)) continue;
        seen.set(key, etag);
        log.info(
          {},
          `${lock.what}: another run holds the lock, ${owner && named(owner)}: waiting to see whether it renews it`,
        );
      }
      await setTimeout(this.times.look, undefined, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error;
      });
    }
  }

  /** Takes a lock away from an owner that is gone: should it be there yet, it is told so by its next renewal. */
  private async takeOver({ key, etag, owner, state }: StoredLock, lock: LockName): Promise<void> {
    const { store } = this.place;
    if ((await store.replace(key, nobodys, etag)) === undefined) {
      const found = await this.others(lock);
      const renewed = found.filter((one) => one.key === key && one.owner !== undefined);
      refuseAtWork(renewed, lock, () => true);
    }
    await store.remove(key);
    if (owner === undefined) return;
    const why = state === 'gone' ? undefined : `has not renewed it for ${minutes(this.times.expiry)}`;
    this.tools.log.warn({}, takenOver(lock.what, owner, why));
  }

  private async renew(): Promise<void> {
    try {
      await this.confirm();
      this.unreachable = false;
    } catch (error) {
      if (error instanceof LeaseLost) {
        clearInterval(this.renewing);
        this.onLost(error);
      } else if (!this.unreachable) {
        this.unreachable = true;
        const { log } = this.tools;
        log.warn({ err: error }, `the lock could not be renewed, it is tried again: ${messageOf(error)}`);
      }
    }
  }

  /** Locks that exclude this one, without those that are ours. */
  private async others({ name }: LockName): Promise<StoredLock[]> {
    const { store, prefix } = this.place;
    const folder = joinKeys(prefix, `${lockFolder}/`);
    const found: StoredLock[] = [];
    for (const { key } of await store.list(folder)) {
      const [, other = '', number] = /^(.+)-(\d+)$/.exec(key.slice(folder.length)) ?? [];
      const excludes = other === name || other === lakeLock.name || name === lakeLock.name;
      if (number === undefined || !excludes || this.held.some((lease) => lease.key === key)) continue;
      const object = await store.read(key);
      if (object === undefined) continue;
      const { text, etag, age } = object;
      const owner = parseIdentity(text);
      const seen = owner === undefined ? 'gone' : this.stateOf(owner, text);
      const state = seen === 'unknown' && age > this.times.expiry ? 'expired' : seen;
      found.push({ name: other, number: Number(number), key, path: store.url(key), etag, owner, state });
    }
    return found;
  }

  private stateOf(owner: ProcessIdentity, text: string): ReturnType<typeof stateOf> {
    const state = stateOf(owner);
    // two machines may call themselves the same: only of one that shares the working copy another start is known
    const other = state === 'gone' && owner.boot !== ownIdentity().boot && copyIn(text) !== this.place.copy;
    return other ? 'unknown' : state;
  }
}

/** @throws LockHeld where an owner is at work */
function refuseAtWork(
  found: readonly StoredLock[],
  { what }: LockName,
  atWork: (lock: StoredLock) => boolean,
): void {
  refuseWhereHeld(found.filter(atWork), what, () => 'running');
}

function copyIn(text: string): string | undefined {
  try {
    const { copy } = JSON.parse(text) as { copy?: unknown };
    return typeof copy === 'string' ? copy : undefined;
  } catch {
    return undefined;
  }
}
