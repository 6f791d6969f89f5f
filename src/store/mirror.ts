/** A lake in an object store and its working copy on this machine. */
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pLimit from 'p-limit';
import { runError } from '../errors.js';
import { fileError } from '../lake/file-error.js';
import { makeFolder, removeEmpty } from '../lake/folder.js';
import { LockHeld, RunLock } from '../lake/lock.js';
import type { Logger, StageTools } from '../stage.js';
import { ObjectChanged } from './errors.js';
import { filesBelow } from './files.js';
import { isList, type LakeKey, parseKey, type Unit, unitOf } from './layout.js';
import { joinKeys } from './location.js';
import { changedFiles, objectsAre, push, vanished } from './push.js';
import type { S3Store, StoredObject } from './s3.js';
import { Synchronised, stampOf } from './synchronised.js';

/** An object of the lake, its key relative to the lake. */
export interface LakeObject extends StoredObject {
  place: LakeKey;
}

/** Which objects are needed, of those that there are. */
export type Needs = (object: LakeObject, all: readonly LakeObject[]) => boolean;

export interface MirrorPlace {
  store: S3Store;
  /** Key of the lake in its bucket. */
  prefix: string;
  /** The working copy; what is known of it lies beside it. */
  root: string;
}

/** Objects that are brought at the same time: most are small, and of none much is in memory. */
const together = 8;
/** How often a lake is listed again that is changed while it is read. */
const attempts = 5;
/** Milliseconds between two looks at whether another process of this machine is done with the working copy. */
const patience = 100;

/**
 * Brings objects to the working copy and takes files to the store, whatever has changed on either side since. Several
 * processes may share a working copy: one at a time brings or takes.
 */
export class Mirror {
  constructor(
    readonly place: MirrorPlace,
    private readonly tools: StageTools,
  ) {}

  get url(): string {
    return this.place.store.url(this.place.prefix);
  }

  private get list(): string {
    return `${this.place.root}.json`;
  }

  /** Tells this working copy from all others. */
  get id(): string {
    return Synchronised.read(this.list, this.url).id;
  }

  /**
   * Brings what is needed and not as it is in the store, and keeps up to date what was brought before. Objects win over
   * files where both have changed; files that are changed here alone stay, to be pushed.
   * @throws as `S3Store` does
   */
  async pull(needs: Needs): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.exclusively((known) => this.bring(known, needs));
      } catch (error) {
        if (!(error instanceof ObjectChanged)) throw error;
        if (attempt === attempts)
          throw runError(`${this.url} is changed again and again while it is read`, error.hint, error);
      }
    }
  }

  /**
   * Takes to the store what has changed below some prefixes, and removes there what has vanished here.
   * @param confirm asked before objects are written or removed: it throws where another may have begun to
   * @param last prefix of what goes behind all others
   * @returns the number of objects written and removed
   * @throws as `S3Store` does; what had been taken before stays
   */
  async push(prefixes: readonly string[], confirm: () => Promise<void>, last?: string): Promise<number> {
    return await this.exclusively((known) =>
      push(this.place, known, prefixes, last, confirm, this.tools.log),
    );
  }

  /** Learns that a file is what the store has under its key. */
  async note(key: string): Promise<void> {
    await this.exclusively(async (known) => {
      const { store, prefix, root } = this.place;
      const object = await store.head(joinKeys(prefix, key));
      const file = stampOf(join(root, key));
      if (object !== undefined && file !== undefined)
        known.objects.set(key, { etag: object.etag, stamp: file.stamp });
    });
  }

  /** Whether `push` would find something to do. */
  hasChanges(prefixes: readonly string[]): boolean {
    const known = Synchronised.read(this.list, this.url);
    const { root } = this.place;
    return changedFiles(root, known, prefixes).length > 0 || vanished(root, known, prefixes).length > 0;
  }

  private async bring(known: Synchronised, needs: Needs): Promise<void> {
    const { signal, log } = this.tools;
    const { store, prefix, root } = this.place;
    const objects = await this.objects();
    await known.settle((key) => store.head(joinKeys(prefix, key), signal));
    for (const key of known.objects.keys())
      if (stampOf(join(root, key)) === undefined) known.objects.delete(key);
    const changed = changedUnits(known, objects);
    const wanted = objects.filter((object) => {
      const { key, place, etag } = object;
      const entry = known.objects.get(key);
      if (entry === undefined) return needs(object, objects);
      return entry.etag !== etag || (changed.has(unitOf(place)) && isDirty(entry, join(root, key)));
    });
    removeGiven(this.place, known, objects, changed, log);
    if (wanted.length === 0) return;
    const bytes = wanted.reduce((sum, { size }) => sum + size, 0);
    log.info({ objects: wanted.length, bytes }, `${objectsAre(wanted.length)} brought from ${this.url}`);
    const limit = pLimit(together);
    const fetch = async (object: LakeObject) => {
      const file = join(root, object.key);
      await store.download({ ...object, key: joinKeys(prefix, object.key) }, file, signal);
      known.objects.set(object.key, { etag: object.etag, stamp: stampOf(file)?.stamp ?? '' });
    };
    // a list that is here before what it lists would describe what isn't there
    for (const lists of [false, true]) {
      const some = wanted.filter(({ place }) => isList(place) === lists);
      await Promise.all(some.map((object) => limit(() => fetch(object))));
    }
  }

  /** All objects that are the lake's. */
  private async objects(): Promise<LakeObject[]> {
    const { store, prefix } = this.place;
    const skipped = prefix === '' ? 0 : prefix.length + 1;
    const all = await store.list(prefix === '' ? '' : `${prefix}/`, this.tools.signal);
    return all.flatMap((object) => {
      const key = object.key.slice(skipped);
      const place = parseKey(key);
      return place === undefined ? [] : [{ ...object, key, place }];
    });
  }

  /** Does `work` with what is known of the working copy while no other process of this machine does; keeps what it learns. */
  private async exclusively<T>(work: (known: Synchronised) => Promise<T>): Promise<T> {
    const { root } = this.place;
    makeFolder(dirname(root));
    const lock = await this.waitFor(`${root}.sync`);
    try {
      const known = Synchronised.read(this.list, this.url);
      try {
        return await work(known);
      } finally {
        await known.write();
      }
    } finally {
      lock.release();
    }
  }

  private async waitFor(path: string): Promise<RunLock> {
    for (;;) {
      try {
        return RunLock.take(path, `the working copy of ${this.url}`, this.tools.log);
      } catch (error) {
        if (!(error instanceof LockHeld) || !error.running) throw error;
        await setTimeout(patience);
      }
    }
  }
}

/** Units of which an object was changed, added to or removed in the store since. */
function changedUnits(known: Synchronised, objects: readonly LakeObject[]): Set<Unit> {
  const now = new Map(objects.map(({ key, etag }) => [key, etag]));
  const changed = new Set<Unit>();
  for (const [key, { etag }] of known.objects) {
    const place = parseKey(key);
    if (place !== undefined && now.get(key) !== etag) changed.add(unitOf(place));
  }
  // what is kept of a decoding is all of one run: a single new part makes it another's
  for (const { key, place } of objects)
    if (place.area === '_unfinished' && !known.objects.has(key)) changed.add(unitOf(place));
  return changed;
}

function isDirty(entry: { stamp: string }, file: string): boolean {
  return stampOf(file)?.stamp !== entry.stamp;
}

/**
 * Removes files whose objects are gone, but not what was changed here since. Of what is kept of a decoding that has gone
 * on elsewhere everything goes that isn't in the store: rows of two runs must not meet.
 */
function removeGiven(
  { root }: MirrorPlace,
  known: Synchronised,
  objects: readonly LakeObject[],
  changed: ReadonlySet<Unit>,
  log: Logger,
): void {
  const there = new Set(objects.map(({ key }) => key));
  for (const [key, entry] of known.objects) {
    if (there.has(key)) continue;
    known.objects.delete(key);
    if (!isDirty(entry, join(root, key))) remove(root, key);
  }
  for (const unit of changed) {
    if (!unit.startsWith('_unfinished/')) continue;
    const files = filesBelow(root, unit).filter((key) => !there.has(key));
    if (files.length === 0) continue;
    log.warn(
      { files },
      `${join(root, unit)} is gone on with elsewhere: what was kept here alone is given up`,
    );
    for (const key of files) remove(root, key);
  }
}

function remove(root: string, key: string): void {
  const file = join(root, key);
  try {
    rmSync(file, { force: true });
  } catch (error) {
    throw fileError(error, 'a file whose object is gone could not be removed', file);
  }
  removeEmpty(dirname(file), root);
}
