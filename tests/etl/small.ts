/** A part of the sample that is decoded in seconds: the users with most ratings, and the movies that they rated most. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';
import { sampleLines } from '../sample-lines.js';

export const MOVIES = 40;
export const USERS = 30;

/** Writes movies.csv, users.csv and ratings.csv into a new folder `raw`, of so many. Returns the folder. */
export function writeRaw(folder: string, movieCount = MOVIES, userCount = USERS): string {
  const raw = join(folder, 'raw');
  mkdirSync(raw);
  const [header = [], ...ratings] = read('ratings.csv.gz');
  const users = mostFrequent(ratings, USER, userCount);
  const ofUsers = ratings.filter((rating) => users.has(rating[USER]));
  const movies = mostFrequent(ofUsers, MOVIE, movieCount);
  const kept = ofUsers.filter((rating) => movies.has(rating[MOVIE]));
  write(join(raw, 'ratings.csv'), [header, ...kept]);
  write(join(raw, 'users.csv'), rowsOf('users.csv', users));
  write(join(raw, 'movies.csv'), rowsOf('movies.csv', movies));
  return raw;
}

const USER = 0;
const MOVIE = 1;

/** The `count` most frequent values of a field; ties by the value. */
function mostFrequent(rows: readonly string[][], field: number, count: number): Set<string | undefined> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const value = row[field] as string;
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([a, n], [b, m]) => m - n || Number(a) - Number(b));
  return new Set(sorted.slice(0, count).map(([value]) => value));
}

/** The header and the rows whose first field is among `ids`. */
function rowsOf(name: string, ids: ReadonlySet<string | undefined>): string[][] {
  return read(name).filter(([id], index) => index === 0 || ids.has(id));
}

/** Lines cut at commas: a field with commas in quotes is several pieces, which `write` joins again. */
function read(name: string): string[][] {
  return sampleLines(name).map((line) => line.split(','));
}

function write(file: string, lines: readonly string[][]): void {
  writeFileSync(file, `${lines.map((line) => line.join(',')).join('\n')}\n`);
}

export interface Inputs {
  items: string;
  users: string;
  ratings: string;
}

/** Writes a configuration (JSON is YAML) for inputs with the sample's columns and texts of a few tokens. */
export function writeConfig(folder: string, inputs: Inputs): string {
  const file = join(folder, 'dare.yaml');
  const names = ['title', 'year', 'genre', 'director', 'source'];
  const columns = {
    ...Object.fromEntries(names.map((name) => [name, name])),
    type: 'creative_type',
    rated: 'mpaa_rating',
  };
  const config = {
    lake: 'lake',
    partition: 'none',
    inputs: {
      items: { path: inputs.items, id: 'movie_id', columns },
      users: { path: inputs.users, id: 'user_id' },
      ratings: { path: inputs.ratings, user: 'user_id', item: 'movie_id', value: 'rating', time: 'rated_at' },
    },
    model: { path: join(packageRoot, 'data-samples/model'), device: 'cpu' },
    cohorts: { items: { columns: ['genre'] } },
    // every partition has the same prompts: taken over from another one, nothing would be decoded
    decode: { mode: 'greedy', maxNewTokens: 24, concurrency: 8, reuse: 'off' },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
