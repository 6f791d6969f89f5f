/** Working copies of one lake, as several machines have them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { StageTools } from '../../src/stage.js';
import { Mirror } from '../../src/store/mirror.js';
import { S3Store } from '../../src/store/s3.js';
import { credentials, type S3Server, startServer } from './server.js';

export interface Machine {
  mirror: Mirror;
  root: string;
  store: S3Store;
  /** What it warned of. */
  warnings: string[];
  tools: StageTools;
  /** As a stage does that holds its locks. Returns how many objects were written and removed. */
  push(prefixes: readonly string[], last?: string): Promise<number>;
  write(key: string, text: string): void;
  /** Undefined where there is none. */
  read(key: string): string | undefined;
  remove(key: string): void;
}

Object.assign(process.env, credentials);
export const bucket = 'lakes';
export const folder = mkdtempSync(join(tmpdir(), 'dare-store-'));
let machines = 0;
let started: Promise<S3Server> | undefined;
let lakes = 0;

/** The server of a test file, undisturbed and with nothing seen, and the prefix of a lake of its own in `bucket`. */
export async function freshLake(): Promise<{ server: S3Server; prefix: string }> {
  started ??= startServer([bucket]);
  const server = await started;
  server.disturb = () => undefined;
  server.seen = [];
  return { server, prefix: `lake${++lakes}` };
}

/** Ends the server and removes all working copies, after the last test of a file. */
export async function cleanUp(): Promise<void> {
  await (await started)?.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** A machine with an empty working copy of `s3://<bucket>/<prefix>`. */
export async function machine({ endpoint }: S3Server, bucket: string, prefix: string): Promise<Machine> {
  const root = join(folder, `machine-${++machines}`, 'lake');
  const store = await S3Store.open(bucket, { endpoint, region: 'us-east-1' });
  const warnings: string[] = [];
  const nothing = () => undefined;
  const log = {
    debug: nothing,
    info: nothing,
    error: nothing,
    warn: (_: object, text: string) => warnings.push(text),
  };
  const progress = {
    start: nothing,
    expect: nothing,
    advance: nothing,
    skip: nothing,
    watch: nothing,
    note: nothing,
    done: nothing,
  };
  const tools: StageTools = { log, progress, signal: new AbortController().signal };
  const path = (key: string) => join(root, key);
  const mirror = new Mirror({ store, prefix, root }, tools);
  return {
    mirror,
    push: (prefixes, last) => mirror.push(prefixes, async () => undefined, last),
    root,
    store,
    warnings,
    tools,
    write(key, text) {
      mkdirSync(dirname(path(key)), { recursive: true });
      writeFileSync(path(key), text);
    },
    read(key) {
      try {
        return readFileSync(path(key), 'utf8');
      } catch {
        return undefined;
      }
    },
    remove: (key) => rmSync(path(key), { recursive: true }),
  };
}
