/** Objects that the inputs name, as files on this machine. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, linkSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import pLimit from 'p-limit';
import { inputError } from '../errors.js';
import { fileError } from '../lake/file-error.js';
import { nameFile } from '../lake/fingerprint.js';
import { listFolder, makeFolder } from '../lake/folder.js';
import { temporaryBeside } from '../lake/publish.js';
import type { StageTools } from '../stage.js';
import { globPattern, isGlob, literalPrefix } from './glob.js';
import { isSafeKey, parseLocation } from './location.js';
import type { S3Store, StoredObject } from './s3.js';

/** Milliseconds that an outdated file stays after it was last asked for: another run may still read it. */
const outdated = 24 * 3600 * 1000;
const together = 4;

/** An object and its file. */
export interface CachedObject {
  url: string;
  file: string;
}

/**
 * Files of objects below one folder: `<folder>/<bucket>/<key>/@<etag>-<size>/<name>`, so that a changed object is another
 * file, and the file's name is the object's.
 */
export class ObjectCache {
  constructor(
    private readonly folder: string,
    private readonly openStore: (bucket: string) => Promise<S3Store>,
    private readonly tools: StageTools,
  ) {}

  /**
   * Brings the objects that a path or glob names, as far as they aren't there.
   * @param key in the configuration, for messages: `inputs.items.path`
   * @throws inputError where there is none; as `S3Store` does
   */
  async bring(key: string, path: string): Promise<CachedObject[]> {
    const location = parseLocation(path);
    const store = await this.openStore(location.bucket);
    const objects = isGlob(location.key)
      ? await this.matching(store, key, path, location.key)
      : [await this.single(store, key, path, location.key)];
    const limit = pLimit(together);
    return await Promise.all(objects.map((object) => limit(() => this.file(store, object))));
  }

  /**
   * Brings them as `bring` does, and links those of a glob into one folder, in the order of their keys.
   * @returns also a path or glob that names all of them
   */
  async bringTogether(key: string, path: string): Promise<{ path: string; objects: CachedObject[] }> {
    const objects = await this.bring(key, path);
    const [first, ...others] = objects;
    if (first !== undefined && others.length === 0) return { path: first.file, objects };
    const sorted = [...objects].sort((a, b) => (a.url < b.url ? -1 : 1));
    const name = createHash('sha256')
      .update(sorted.map(({ file }) => file).join('\n'))
      .digest('hex');
    const folder = join(this.folder, '_together', name.slice(0, 16));
    makeFolder(folder);
    const linked = sorted.map(({ url, file }, index) => {
      const link = join(folder, `${String(index).padStart(6, '0')}-${basename(file)}`);
      // the folder's name is that of these files
      if (!existsSync(link)) linkOrCopy(file, link);
      nameFile(link, url);
      return { url, file: link };
    });
    return { path: join(folder, '*'), objects: linked };
  }

  private async single(store: S3Store, key: string, path: string, name: string): Promise<StoredObject> {
    const object = name === '' ? undefined : await store.head(name, this.tools.signal);
    if (object !== undefined) return object;
    const below = await store.list(name === '' ? '' : `${name}/`, this.tools.signal);
    if (below.length > 0) {
      const example = `Name its objects, for example ${path.replace(/\/$/, '')}/*.parquet.`;
      throw inputError(`${key} is a folder, not an object: ${path}`, example);
    }
    throw inputError(`${key}: the object was not found: ${path}`, `Check ${key}.`);
  }

  private async matching(
    store: S3Store,
    key: string,
    path: string,
    glob: string,
  ): Promise<readonly StoredObject[]> {
    const pattern = globPattern(glob);
    const all = await store.list(literalPrefix(glob), this.tools.signal);
    const found = all.filter((object) => pattern.test(object.key) && isSafeKey(object.key));
    if (found.length === 0) throw inputError(`${key}: no object matches ${path}`, `Check ${key}.`);
    return found;
  }

  private async file(store: S3Store, object: StoredObject): Promise<CachedObject> {
    const url = store.url(object.key);
    const versions = join(this.folder, store.bucket, object.key);
    const version = `@${object.etag.replaceAll(/[^\w-]/g, '')}-${object.size}`;
    const file = join(versions, version, basename(object.key));
    if (statSync(file, { throwIfNoEntry: false })?.size !== object.size) {
      this.tools.log.info({ bytes: object.size }, `${url} is brought to this machine`);
      await store.download(object, file, this.tools.signal);
    }
    // a manifest that other machines read names the object, and not where it lies on this one
    nameFile(file, url);
    this.keep(versions, version);
    return { url, file };
  }

  /** Notes that a version was asked for, and removes those that weren't for long. */
  private keep(versions: string, current: string): void {
    const now = Date.now();
    try {
      utimesSync(join(versions, current), now / 1000, now / 1000);
      for (const name of listFolder(versions)) {
        const path = join(versions, name);
        if (!name.startsWith('@') || name === current) continue;
        const { mtimeMs = now } = statSync(path, { throwIfNoEntry: false }) ?? {};
        if (now - mtimeMs > outdated) rmSync(path, { recursive: true, force: true });
      }
    } catch (error) {
      throw fileError(error, 'the cache of objects could not be kept in order', dirname(versions));
    }
  }
}

/** Another name of a file, or a copy where the file system has no links; whole or not at all. */
function linkOrCopy(file: string, link: string): void {
  try {
    linkSync(file, link);
  } catch (error) {
    if (existsSync(link)) return;
    const temporary = temporaryBeside(link);
    try {
      copyFileSync(file, temporary);
      renameSync(temporary, link);
    } catch {
      throw fileError(error, 'the object could not be put beside the others', link);
    }
  }
}
