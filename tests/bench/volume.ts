/**
 * How long `dare segment` takes for many users, items and ratings, and how much memory, with planted tastes.
 * usage: node dist/tests/bench/volume.js [--users 1000000] [--items 100000] [--ratings 10000000] [--memory 6GB]
 *   --memory  the configuration's memoryLimit: what DuckDB holds before it spills to the disk
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { segment } from '../../pipeline/segment.js';
import { loadConfig } from '../../src/config/load.js';
import { Duck, type Params } from '../../src/lake/duck.js';
import { Lake } from '../../src/lake/lake.js';
import { runSql } from './run-sql.js';
import { benchTools, sampleModel } from './sample.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    users: { ...text, default: '1000000' },
    items: { ...text, default: '100000' },
    ratings: { ...text, default: '10000000' },
    memory: { ...text, default: '6GB' },
    child: text,
  },
});

if (values.child === undefined) await compare();
else await segmentApart(values.child);

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dare-volume-'));
  try {
    const [users, items, ratings] = [values.users, values.items, values.ratings].map(Number);
    const [ratings_file, items_file] = [join(folder, 'ratings.parquet'), join(folder, 'items.parquet')];
    await runSql('volume-ratings', { users, items, ratings, ratings_file } as Params);
    await runSql('volume-items', { items, items_file } as Params);
    const config = join(folder, 'dare.yaml');
    writeFileSync(config, stringify(configurationOf(ratings_file, items_file)));
    process.stderr.write(`${ratings} ratings in ${Math.round(statSync(ratings_file).size / 1e6)} MB\n`);
    const { status, stdout } = spawnSync(
      process.execPath,
      [fileURLToPath(import.meta.url), '--child', config],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (status !== 0) throw new Error(`dare segment ended with code ${status}`);
    const processors = cpus();
    const machine = `${processors.length} x ${processors[0]?.model.trim() ?? process.arch}`;
    const command = ['node dist/tests/bench/volume.js', ...process.argv.slice(2)].join(' ');
    const date = new Date().toISOString().slice(0, 10);
    console.log(
      JSON.stringify({ machine, date, command, users, items, ratings, ...(JSON.parse(stdout) as object) }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function configurationOf(ratings: string, items: string): object {
  return {
    lake: 'lake',
    partition: 'a',
    memoryLimit: values.memory,
    inputs: {
      items: { path: items, id: 'item_id', columns: { title: 'title', genre: 'genre' } },
      ratings: { path: ratings, user: 'user_id', item: 'item_id', value: 'rating', time: 'rated_at' },
    },
    model: { path: sampleModel },
    cohorts: { items: { columns: ['genre'] } },
  };
}

/** Segments and says what it took; in a process of its own, whose memory is that of the stage. */
async function segmentApart(file: string): Promise<void> {
  const config = loadConfig(file);
  const lake = new Lake(config.lake);
  const started = performance.now();
  await segment({ ...benchTools(), config, lake, partition: config.partition });
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  // kilobytes on Linux
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  const duck = await Duck.open();
  const [found] = await duck.rows(
    "select count(distinct cohort) filter (entity_type = 'user') as cohorts from read_parquet($file)",
    { file: lake.file('cohorts', config.partition) },
  );
  duck.close();
  console.log(JSON.stringify({ seconds, peakMiB, userCohorts: Number(found?.cohorts) }));
}
