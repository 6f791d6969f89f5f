/** A lake in an object store, as commands use it: locks, what they read, what they write. */
import { readFile, writeFile } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import type { Config } from '../config/schema.js';
import { messageOf } from '../errors.js';
import { fileError } from '../lake/file-error.js';
import { replaceFile } from '../lake/publish.js';
import type { LakeJob, LakeStore, StageTools } from '../stage.js';
import { prefixOf } from './layout.js';
import { joinKeys } from './location.js';
import { Mirror, type MirrorPlace, type Needs } from './mirror.js';
import { RemoteLocks } from './remote-lock.js';
import { ofPartition, scopeOf } from './scopes.js';

/** Finished texts are taken to the store every minute while others are decoded. */
const everyMinute = 60_000;

export class RemoteLake implements LakeStore {
  private readonly mirror: Mirror;

  constructor(
    private readonly place: MirrorPlace,
    private readonly config: Config,
    private readonly tools: StageTools,
    /** Milliseconds */
    private readonly savingInterval = everyMinute,
  ) {
    this.mirror = new Mirror(place, tools);
  }

  /**
   * Brings what every command needs, and more. Takes no lock.
   * @param shard `k/n`
   * @throws as `S3Store` does
   */
  async open(more: Needs, shard?: string): Promise<void> {
    const own = ofPartition(this.config, shard);
    await this.mirror.pull((object, all) => own(object, all) || more(object, all));
  }

  /** @throws what the work throws; LockHeld where another machine is at it; as `S3Store` does */
  readonly during = async <T>(job: LakeJob, work: () => Promise<T>, shard?: string): Promise<T> => {
    const { needs, writes, locks: names, last } = scopeOf(job, this.config, shard);
    const locks = new RemoteLocks(this.place.store, this.place.prefix, this.mirror.id, this.tools.log);
    await locks.take(names);
    try {
      await this.open(needs, shard);
      if (writes.length === 0) return await work();
      const saving = job === 'decode' ? this.save(writes) : undefined;
      let result: T;
      try {
        result = await work();
      } catch (error) {
        await saving?.stop();
        await this.pushAfter(error, writes);
        throw error;
      }
      await saving?.stop();
      await this.mirror.push(writes, last);
      return result;
    } finally {
      await locks.release();
    }
  };

  readonly finish = async (job: LakeJob): Promise<void> => {
    if (this.mirror.hasChanges(scopeOf(job, this.config).writes))
      await this.during(job, async () => undefined);
  };

  readonly share = async (file: string, accepts: (text: string) => boolean): Promise<string> => {
    const { store, prefix, root } = this.place;
    const name = relative(root, file).split(sep).join('/');
    const key = joinKeys(prefix, name);
    for (;;) {
      const own = await readFile(file, 'utf8').catch((error: unknown) => {
        throw fileError(error, 'the file could not be read', file);
      });
      const text = (await store.putNew(key, own)) ? own : await store.read(key);
      if (text === undefined) continue;
      if (text !== own && !accepts(text)) {
        await store.remove(key);
        continue;
      }
      if (text !== own)
        await replaceFile(file, 'the file could not be written', (temporary) => writeFile(temporary, text));
      await this.mirror.note(name);
      return text;
    }
  };

  /** What a failed stage has finished goes to the store too; that it failed matters more than that this fails. */
  private async pushAfter(error: unknown, writes: readonly string[]): Promise<void> {
    try {
      await this.mirror.push(writes);
    } catch (failed) {
      this.tools.log.warn(
        { err: failed },
        `after "${messageOf(error)}": what was finished is in the working copy of this machine alone: ${messageOf(failed)}`,
      );
    }
  }

  /** Takes finished texts to the store every minute, so that another machine can go on where this one was lost. */
  private save(writes: readonly string[]): { stop(): Promise<void> } {
    const unfinished = writes.filter((prefix) =>
      prefix.startsWith(prefixOf('_unfinished', 'texts', this.config.partition)),
    );
    let running: Promise<void> | undefined;
    const timer = setInterval(() => {
      running ??= this.mirror
        .push(unfinished)
        .then(
          () => undefined,
          (error) =>
            this.tools.log.warn({ err: error }, `finished texts are kept here alone: ${messageOf(error)}`),
        )
        .finally(() => {
          running = undefined;
        });
    }, this.savingInterval);
    return {
      stop: async () => {
        clearInterval(timer);
        await running;
      },
    };
  }
}
