import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { packageRoot } from '../../src/paths.js';
import { commandLine, dare, type Finished } from '../cli/spawn.js';
import { cache } from '../model-cache.js';
import { writeTable } from '../prompts/fixture.js';
import { sampleLines } from '../sample-lines.js';

export const sampleModel = join(packageRoot, 'data-samples/model');

export { cache };

/** One text after the other, by one thread: several would wait for each other busily, which takes cores from other tests. */
export const oneByOne = ['--set', 'decode.concurrency=1', '--set', 'model.threads=1'];

export const items = 40;
export const users = 30;

/**
 * The first movies and users of the sample with the ratings between them, and a configuration for them.
 * A few of the users like none of the movies: they get no prompt.
 */
export function smallCatalogue(folder: string): { config: string; prompts: number } {
  const movies = sampleLines('movies.csv').slice(0, items + 1);
  const [header = '', ...all] = sampleLines('ratings.csv.gz');
  const movieIds = new Set(movies.slice(1).map((line) => line.split(',')[0]));
  const ratings = all.filter((line) => movieIds.has(line.split(',')[1]));
  const userIds = new Set([...new Set(ratings.map((line) => line.split(',')[0]))].slice(0, users));
  const kept = ratings.filter((line) => userIds.has(line.split(',')[0]));
  writeFileSync(join(folder, 'movies.csv'), `${movies.join('\n')}\n`);
  writeFileSync(join(folder, 'ratings.csv'), `${[header, ...kept].join('\n')}\n`);
  const columns = { title: 'title', year: 'year', genre: 'genre', director: 'director' };
  const described = { source: 'source', type: 'creative_type', rated: 'mpaa_rating' };
  const config = {
    lake: 'lake',
    partition: 'a',
    inputs: {
      items: { path: 'movies.csv', id: 'movie_id', columns: { ...columns, ...described } },
      ratings: { path: 'ratings.csv', user: 'user_id', item: 'movie_id', value: 'rating', time: 'rated_at' },
    },
    model: { path: sampleModel, cache },
    cohorts: { users: { groups: 2, minRatings: 2 }, items: { columns: ['genre'] } },
    decode: { maxNewTokens: 12 },
  };
  const file = join(folder, 'dare.yaml');
  writeFileSync(file, stringify(config));
  const liking = new Set(
    kept.filter((line) => Number(line.split(',')[2]) >= 4).map((line) => line.split(',')[0]),
  );
  return { config: file, prompts: items + liking.size };
}

export const promptColumns = {
  prompt_id: 'VARCHAR',
  entity_type: 'VARCHAR',
  entity_id: 'VARCHAR',
  framework: 'VARCHAR',
  cohort: 'VARCHAR',
  prompt: 'VARCHAR',
};

/** Prompts that the embedded model answers, `count` of them. */
export function somePrompts(count: number): Record<string, string>[] {
  return Array.from({ length: count }, (_, i) => ({
    prompt_id: `p${i}`,
    entity_type: i % 2 === 0 ? 'item' : 'user',
    entity_id: `${i}`,
    framework: 'kar',
    cohort: `${i % 3}`,
    prompt: `What is known about the movie number ${i}?`,
  }));
}

/** Writes some prompts to `<folder>/prompts.parquet`, all columns or those named. */
export async function writePrompts(
  folder: string,
  rows: readonly Record<string, unknown>[] = somePrompts(4),
  columns: Record<string, string> = promptColumns,
): Promise<string> {
  const file = join(folder, 'prompts.parquet');
  await writeTable(file, columns, rows);
  return file;
}

/** Texts for pools: a few of each entity type and cohort. */
export const textRows = ['item', 'user'].flatMap((entity_type) =>
  [0, 1, 2, 3].map((i) => ({
    prompt_id: `${entity_type}${i}`,
    entity_type,
    cohort: `${i % 2}`,
    text: `This ${entity_type} number ${i} is known for a story of love and war.`,
  })),
);
export const textColumns = {
  prompt_id: 'VARCHAR',
  entity_type: 'VARCHAR',
  cohort: 'VARCHAR',
  text: 'VARCHAR',
};

/** A copy of the embedded model that a test may break. */
export function copyModel(folder: string): string {
  const copy = join(folder, 'model');
  mkdirSync(copy);
  for (const name of readdirSync(sampleModel)) copyFileSync(join(sampleModel, name), join(copy, name));
  return copy;
}

/** A model that never ends a text: it takes another token for the end. */
export function endlessModel(folder: string): string {
  const model = copyModel(folder);
  for (const name of ['config.json', 'generation_config.json'])
    editJson(join(model, name), { eos_token_id: 0 });
  editJson(join(model, 'tokenizer_config.json'), { eos_token: '<|endoftext|>' });
  return model;
}

/** Changes keys of a JSON file. */
export function editJson(file: string, changes: Record<string, unknown>): void {
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...json, ...changes }));
}

/** The command line with limits on the process (a user without rights, the largest file it may write in KiB) or variables. */
export function limited(
  args: readonly string[],
  limits: { uid?: number; fileKiB?: number; home?: string; env?: Record<string, string> },
): Promise<Finished> {
  const limit = limits.fileKiB === undefined ? '' : `ulimit -f ${limits.fileKiB}; trap '' XFSZ; `;
  const command = [process.execPath, ...commandLine, ...args];
  const identity = limits.uid === undefined ? {} : { uid: limits.uid, gid: limits.uid };
  // ONNX Runtime keeps a file in the home folder and warns where it can't
  const home = limits.home === undefined ? {} : { HOME: limits.home };
  const env = { ...process.env, ...home, ...limits.env };
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', `${limit}exec "$@"`, 'bash', ...command], {
      ...identity,
      env,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const finished = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        finished[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...finished }));
  });
}

/** Decodes 40 prompts slowly and stops by SIGINT once decoding has begun; the file of the prompts. */
export async function interruptDecode(folder: string, options: readonly string[]): Promise<string> {
  const prompts = await writePrompts(folder, somePrompts(40));
  const files = ['--model', sampleModel, '--prompts', prompts, '--out', join(folder, 'texts.parquet')];
  const slowly = [...oneByOne, '--set', 'decode.maxNewTokens=256', '--set', `model.cache=${cache}`];
  const kill = { after: 'decode: 0 of 40', signal: 'SIGINT' } as const;
  const stopped = await dare(['decode', ...files, ...slowly, ...options], folder, kill);
  assert.is(stopped.code, 130, stopped.stderr);
  return prompts;
}
