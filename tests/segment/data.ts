import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Segmentation, segmentTables } from '../../pipeline/segment.js';
import { type Config, configSchema } from '../../src/config/schema.js';
import { Duck } from '../../src/lake/duck.js';
import { openInputs } from '../../src/lake/inputs.js';

/** Rows of CSV files: items are id, genre, tag; users are id, land. */
export interface Data {
  items: string[];
  ratings: string[];
  users?: string[];
}

/** A number from 0 to 1 that depends on `seed` alone (the mulberry32 generator's output function). */
export function draw(seed: number): number {
  let t = (Math.imul(seed, 0x9e3779b1) + 0x6d2b79f5) | 0;
  t = Math.imul(t ^ (t >>> 15), 1 | t);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/**
 * `groups` groups of users u0, u1, ...: user n is of group n % groups, and likes items of the genre g<group>, with a
 * little noise. Item i<n> is of genre g<n % groups>.
 */
export function planted(groups: number, users: number, items: number, likes: number): Data {
  const ratings: string[] = [];
  let seed = 1;
  for (let user = 0; user < users; user++) {
    const liked = new Set<number>();
    while (liked.size < likes) {
      const own = draw(seed++) < 0.95;
      const item = Math.floor(draw(seed++) * items);
      if (own === (item % groups === user % groups)) liked.add(item);
    }
    for (const item of liked)
      ratings.push(`u${user},i${item},${3 + Math.floor(draw(seed++) * 3)},2024-01-01`);
  }
  return { items: Array.from({ length: items }, (_, n) => `i${n},g${n % groups},`), ratings };
}

/** Writes the data into `folder`, and the configuration that reads it. */
export function writeData(folder: string, data: Data, cohorts: object): Config {
  const file = (name: string, header: string, rows: string[]) => {
    writeFileSync(join(folder, name), `${[header, ...rows].join('\n')}\n`);
    return join(folder, name);
  };
  const items = {
    path: file('items.csv', 'id,genre,tag', data.items),
    id: 'id',
    columns: { genre: 'genre', tag: 'tag' },
  };
  const ratings = {
    path: file('ratings.csv', 'user,item,value,time', data.ratings),
    user: 'user',
    item: 'item',
    value: 'value',
    time: 'time',
  };
  const users = data.users && {
    path: file('users.csv', 'id,land', data.users),
    id: 'id',
    columns: { land: 'land' },
  };
  return configSchema.parse({
    lake: join(folder, 'lake'),
    partition: 'p',
    inputs: { items, ratings, ...(users && { users }) },
    model: { path: join(folder, 'model') },
    cohorts: { items: { columns: ['genre'] }, ...cohorts },
  });
}

export interface Segmented extends Segmentation {
  /** `user:<id>` and `item:<id>` -> cohort. */
  cohort: Map<string, string>;
  rows: Record<string, unknown>[];
}

/** Segments the data in a session of its own. */
export async function segmented(data: Data, cohorts: object = {}, threads = 2): Promise<Segmented> {
  return withFolder(async (folder) => {
    const config = writeData(folder, data, cohorts);
    const duck = await Duck.open({ threads });
    try {
      await openInputs(duck, config.inputs);
      const result = await segmentTables(duck, config);
      const rows = await duck.rows('select * from cohorts order by entity_type, entity_id');
      const cohort = new Map(rows.map((row) => [`${row.entity_type}:${row.entity_id}`, String(row.cohort)]));
      return { ...result, rows, cohort };
    } finally {
      duck.close();
    }
  });
}

export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'dare-segment-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
