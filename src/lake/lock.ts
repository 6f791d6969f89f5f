import { readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DareError } from '../errors.js';
import type { Logger } from '../stage.js';
import { codeOf, fileError } from './file-error.js';
import { listFolder, makeFolder } from './folder.js';
import { placeFolder } from './place.js';
import { ownIdentity, type ProcessIdentity, parseIdentity, stateOf } from './process.js';

/** A lock that was found. */
export interface FoundLock {
  number: number;
  /** Where it is, for people too. */
  path: string;
  /** Undefined while it is being given back, or where the machine crashed before the name was on the disk. */
  owner: ProcessIdentity | undefined;
}

const ownerFile = 'owner.json';

/** Another process has a lock, or may have it: exit code 1. Whoever can do without the lock tells it from other errors. */
export class LockHeld extends DareError {
  constructor(
    message: string,
    hint: string,
    /** It is sure that the other process runs. */
    readonly running: boolean,
  ) {
    super(message, 1, hint);
  }
}

/**
 * One run at a time. A lock is a folder `<name>-<n>` with a file that names its owner. It is made under another name
 * and renamed, which fails where there is a folder with something in it: so it is there whole or not at all, and of
 * several processes one gets it. A lock whose owner is gone is never taken away, but followed by the next number: two
 * that find it can't both have it, and none removes what the other has just made.
 */
export class RunLock {
  private constructor(private readonly path: string) {}

  /**
   * @param path the lock's name, in a folder that is made if it isn't there
   * @param what it guards, for people
   * @throws LockHeld where another process has it, or may have it; runError where it can't be made
   */
  static take(path: string, what: string, log: Logger): RunLock {
    makeFolder(dirname(path));
    for (;;) {
      const found = locksAt(path);
      refuseWhereHeld(found, what);
      const number = Math.max(0, ...found.map((lock) => lock.number)) + 1;
      const own = `${path}-${number}`;
      if (!place(path, own)) continue;
      try {
        // one that took and gave back a lock in the meantime may have let another begin anew at 1
        const others = locksAt(path).filter((lock) => lock.path !== own);
        refuseWhereHeld(others, what);
        for (const { path: stale, owner } of others) {
          rmSync(stale, { recursive: true, force: true });
          if (owner !== undefined) log.warn({}, takenOver(what, owner));
        }
      } catch (error) {
        rmSync(own, { recursive: true, force: true });
        throw fileError(error, 'the lock could not be taken over', path);
      }
      return new RunLock(own);
    }
  }

  /**
   * Takes no lock: only looks whether another process has it, and writes nothing.
   * @throws LockHeld where one has it, or may have it
   */
  static check(path: string, what: string): void {
    refuseWhereHeld(locksAt(path), what);
  }

  /** Fine to call again. Never throws: a lock that can't be removed is one of a run that is gone, soon after. */
  release(): void {
    try {
      rmSync(this.path, { recursive: true, force: true });
    } catch {
      // the disk failed, or somebody closed the folder: what the run ended with says so
    }
  }
}

function locksAt(path: string): FoundLock[] {
  const name = `${basename(path)}-`;
  return listFolder(dirname(path))
    .filter((entry) => entry.startsWith(name) && /^\d+$/.test(entry.slice(name.length)))
    .map((entry) => {
      const lock = join(dirname(path), entry);
      return { number: Number(entry.slice(name.length)), path: lock, owner: ownerOf(lock) };
    });
}

function ownerOf(lock: string): ProcessIdentity | undefined {
  try {
    return parseIdentity(readFileSync(join(lock, ownerFile), 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw fileError(error, 'the lock could not be read', lock);
  }
}

/** Makes the lock `own`; false where somebody was faster. */
function place(path: string, own: string): boolean {
  try {
    return placeFolder(own, ownerFile, JSON.stringify(ownIdentity()));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw fileError(error, 'the lock could not be made', path);
    // a run that ended has just removed the empty folder
    makeFolder(dirname(path));
    return false;
  }
}

/**
 * Refuses where the owner of one of some locks is at work, or may be.
 * @param what they guard, for people
 * @throws LockHeld
 */
export function refuseWhereHeld(
  locks: readonly FoundLock[],
  what: string,
  state: (owner: ProcessIdentity, lock: FoundLock) => ReturnType<typeof stateOf> = stateOf,
): void {
  for (const lock of locks) {
    const { path, owner } = lock;
    if (owner === undefined) continue;
    const found = state(owner, lock);
    if (found === 'running') {
      throw new LockHeld(
        `${what}: another run is at work on it, ${named(owner)}`,
        'Wait for it or stop it, then start again: what it has finished is kept.',
        true,
      );
    }
    if (found === 'unknown') {
      throw new LockHeld(
        `${what}: another run holds the lock, ${named(owner)}, and whether it is still at work can't be seen from here`,
        `If it is gone, remove ${path} and start again: what it has finished is kept.`,
        false,
      );
    }
  }
}

/** What is said of a lock whose owner is gone, or doesn't do what an owner does. */
export function takenOver(what: string, owner: ProcessIdentity, why = 'is gone'): string {
  return `${what}: the run that held the lock ${why} (${named(owner)}): taken over`;
}

/** A process, for people. */
export function named({ pid, host, started }: ProcessIdentity): string {
  return `process ${pid} on ${host}, started ${started}`;
}
