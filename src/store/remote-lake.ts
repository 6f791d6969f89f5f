/** A lake in an object store, as commands use it: locks, what they read, what they write. */
import { readFile, writeFile } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import type { Config } from '../config/schema.js';
import { messageOf } from '../errors.js';
import { fileError } from '../lake/file-error.js';
import { replaceFile } from '../lake/publish.js';
import type { LakeJob, LakeStore, StageTools } from '../stage.js';
import { prefixOf } from './layout.js';
import { LeaseLost, type LeaseTimes, leaseTimes } from './lease.js';
import { joinKeys } from './location.js';
import { Mirror, type MirrorPlace, type Needs } from './mirror.js';
import { RemoteLocks } from './remote-lock.js';
import { ofPartition, scopeOf } from './scopes.js';

/** Milliseconds. */
export interface LakeTimes extends LeaseTimes {
  /** After which finished texts are taken to the store while others are decoded. */
  saving: number;
}

export const lakeTimes: LakeTimes = { ...leaseTimes, saving: 60_000 };

export class RemoteLake implements LakeStore {
  private readonly mirror: Mirror;
  private readonly stopping = new AbortController();

  constructor(
    private readonly place: MirrorPlace,
    private readonly config: Config,
    private readonly tools: StageTools,
    private readonly times: LakeTimes = lakeTimes,
  ) {
    this.mirror = new Mirror(place, tools);
    const { signal } = tools;
    const stop = () => this.stopping.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  }

  /** For the work: aborted as that of the tools is, and when a lock is lost. */
  get signal(): AbortSignal {
    return this.stopping.signal;
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

  /**
   * @throws what the work throws; LockHeld where another machine is at it, LeaseLost where another has come to be; as
   * `S3Store` does
   */
  readonly during = async <T>(job: LakeJob, work: () => Promise<T>, shard?: string): Promise<T> => {
    const { needs, writes, locks: names, last } = scopeOf(job, this.config, shard);
    const place = { ...this.place, copy: this.mirror.id };
    const locks = new RemoteLocks(place, this.tools, (lost) => this.stopping.abort(lost), this.times);
    await locks.take(names);
    try {
      await this.open(needs, shard);
      if (writes.length === 0) return await work();
      const saving = job === 'decode' ? this.save(writes, locks.confirm) : undefined;
      let result: T;
      try {
        result = await work();
      } catch (error) {
        await saving?.stop();
        // whatever went wrong then is its consequence
        if (this.signal.reason instanceof LeaseLost) throw this.signal.reason;
        await this.pushAfter(error, writes, locks.confirm);
        throw error;
      }
      await saving?.stop();
      await this.mirror.push(writes, locks.confirm, last);
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
      const text = (await store.putNew(key, own)) === undefined ? (await store.read(key))?.text : own;
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
  private async pushAfter(
    error: unknown,
    writes: readonly string[],
    confirm: () => Promise<void>,
  ): Promise<void> {
    try {
      await this.mirror.push(writes, confirm);
    } catch (failed) {
      this.tools.log.warn(
        { err: failed },
        `after "${messageOf(error)}": what was finished is in the working copy of this machine alone: ${messageOf(failed)}`,
      );
    }
  }

  /** Takes finished texts to the store every minute, so that another machine can go on where this one was lost. */
  private save(writes: readonly string[], confirm: () => Promise<void>): { stop(): Promise<void> } {
    const unfinished = writes.filter((prefix) =>
      prefix.startsWith(prefixOf('_unfinished', 'texts', this.config.partition)),
    );
    let running: Promise<void> | undefined;
    const timer = setInterval(() => {
      running ??= this.mirror
        .push(unfinished, confirm)
        .then(
          () => undefined,
          (error) => {
            if (error instanceof LeaseLost) this.stopping.abort(error);
            else
              this.tools.log.warn({ err: error }, `finished texts are kept here alone: ${messageOf(error)}`);
          },
        )
        .finally(() => {
          running = undefined;
        });
    }, this.times.saving);
    return {
      stop: async () => {
        clearInterval(timer);
        await running;
      },
    };
  }
}
