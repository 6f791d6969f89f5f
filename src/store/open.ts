/** A configuration with paths in object stores -> one with paths on this machine. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../config/schema.js';
import { inputError } from '../errors.js';
import { userCache } from '../paths.js';
import type { StageTools } from '../stage.js';
import { isRemote, parseLocation } from './location.js';
import type { Needs } from './mirror.js';
import { RemoteNames } from './names.js';
import { ObjectCache } from './object-cache.js';
import { RemoteLake } from './remote-lake.js';
import { S3Store } from './s3.js';

/** What stages are given in place of remote paths. */
export interface Localised {
  config: Config;
  /** The tools, with a log that names objects, and a signal that is also aborted when a lock of the lake is lost. */
  tools: StageTools;
  names: RemoteNames;
  /** Where the lake is in a store; not opened yet. */
  store?: RemoteLake;
  /** Options of the command line that lead another process to the same files. */
  arguments: string[];
}

/** Which files beside the lake are read. */
export interface InputUse {
  /** Items, users and ratings. */
  catalogue: boolean;
  /** `pools.texts` */
  texts: boolean;
}

/**
 * Brings the objects that the inputs name, as far as they are read, and the lake's working copy as far as every command needs it.
 * @param needs of the lake, beside that
 * @param shard `k/n`, where nothing else is decoded
 * @throws inputError for objects that aren't there, and as `S3Store` does
 */
export async function localise(
  config: Config,
  tools: StageTools,
  reads: InputUse,
  needs: Needs,
  shard?: string,
): Promise<Localised> {
  const names = new RemoteNames();
  const named: StageTools = {
    ...tools,
    log: names.inLog(tools.log),
    ...(tools.watch === undefined ? {} : { watch: names.inWatch(tools.watch) }),
  };
  const stores = new Map<string, Promise<S3Store>>();
  const openStore = (bucket: string) => {
    const store = stores.get(bucket) ?? S3Store.open(bucket, config.storage);
    stores.set(bucket, store);
    return store;
  };
  const cache = new ObjectCache(join(userCache(), 'objects'), openStore, tools);
  const inputs = await localInputs(config, reads, cache, names);
  const local = { ...config, ...inputs.changed };
  if (!isRemote(config.lake)) return { config: local, tools: named, names, arguments: inputs.options };
  const { bucket, key } = parseLocation(config.lake);
  const root = workingCopy(config);
  names.add(root, config.lake.replace(/\/$/, ''));
  const lake = { ...local, lake: root };
  const store = new RemoteLake({ store: await openStore(bucket), prefix: key, root }, lake, named);
  await store.open(needs, shard);
  const stopped = { ...named, signal: store.signal };
  return { config: lake, tools: stopped, names, store, arguments: [...inputs.options, `--lake=${root}`] };
}

/** The lake's folder on this machine. */
function workingCopy({ lake, storage }: Config): string {
  const { workingCopy: chosen, endpoint = '' } = storage;
  if (chosen === undefined) {
    const url = lake.replace(/\/$/, '');
    const name = createHash('sha256')
      .update(JSON.stringify([url, endpoint]))
      .digest('hex')
      .slice(0, 16);
    return join(userCache(), 'lakes', name, 'lake');
  }
  // a lake that is somebody's own must not be taken for a copy of another
  if (existsSync(join(chosen, 'texts')) || existsSync(join(chosen, 'cohorts'))) {
    throw inputError(
      `storage.workingCopy is a lake itself: ${chosen}`,
      `Name another folder, for example ${join(dirname(chosen), 'working-copy')}.`,
    );
  }
  return join(chosen, 'lake');
}

interface LocalInputs {
  changed: Pick<Config, 'inputs' | 'pools'>;
  options: string[];
}

async function localInputs(
  { inputs, pools }: Config,
  reads: InputUse,
  cache: ObjectCache,
  names: RemoteNames,
): Promise<LocalInputs> {
  const options: string[] = [];
  const localPaths = async (key: string, paths: readonly string[]): Promise<string[]> => {
    if (!reads.catalogue) return [...paths];
    const found: string[] = [];
    for (const path of paths) {
      if (!isRemote(path)) found.push(path);
      else
        for (const { url, file } of await cache.bring(key, path)) {
          names.add(file, url);
          found.push(file);
        }
    }
    if (paths.some(isRemote)) options.push(`--set=${key}=${JSON.stringify(found)}`);
    return found;
  };
  const { items, users, ratings } = inputs;
  const changed = {
    items: { ...items, path: await localPaths('inputs.items.path', items.path) },
    ...(users && { users: { ...users, path: await localPaths('inputs.users.path', users.path) } }),
    ratings: { ...ratings, path: await localPaths('inputs.ratings.path', ratings.path) },
  };
  if (pools.texts === undefined || !isRemote(pools.texts) || !reads.texts)
    return { changed: { inputs: changed, pools }, options };
  const { path, objects } = await cache.bringTogether('pools.texts', pools.texts);
  for (const { url, file } of objects) names.add(file, url);
  return {
    changed: { inputs: changed, pools: { ...pools, texts: path } },
    options: [...options, `--set=pools.texts=${JSON.stringify(path)}`],
  };
}
