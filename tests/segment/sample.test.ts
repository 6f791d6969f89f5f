import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { segmentTables } from '../../pipeline/segment.js';
import { loadConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { Duck } from '../../src/lake/duck.js';
import { openInputs } from '../../src/lake/inputs.js';
import { packageRoot } from '../../src/paths.js';
import { sampleLines } from '../sample-lines.js';
import { draw, withFolder } from './data.js';
import { nmi } from './nmi.js';
import { plantedLabels } from './planted.js';

const config = loadConfig(join(packageRoot, 'data-samples/dare.yaml'));

interface Run {
  bytes: Buffer;
  cohorts: number;
  agreement: number;
}

async function run(folder: string, changed: Config, threads: number): Promise<Run> {
  const duck = await Duck.open({ threads });
  try {
    await openInputs(duck, changed.inputs);
    const result = await segmentTables(duck, changed);
    const path = join(folder, `cohorts-${threads}.parquet`);
    await duck.script('segment/write', { params: { path } });
    const { found, planted } = await plantedLabels(duck);
    return {
      bytes: readFileSync(path),
      cohorts: Object.keys(result.users.sizes).length,
      agreement: nmi(found, planted),
    };
  } finally {
    duck.close();
  }
}

function withGroups(groups: number | 'auto'): Config {
  return { ...config, cohorts: { ...config.cohorts, users: { ...config.cohorts.users, groups } } };
}

/** The file's rows in another order, by hash. */
function shuffled(folder: string, name: string): string {
  const [header, ...rows] = sampleLines(name);
  const keyed = rows.map((row, n) => [draw(n), row] as const).sort((a, b) => a[0] - b[0]);
  const path = join(folder, name.replace('.gz', ''));
  writeFileSync(path, `${[header, ...keyed.map(([, row]) => row)].join('\n')}\n`);
  return path;
}

test("the sample: 7 to 9 groups by themselves, which agree with the planted tastes; the file's bytes depend on neither threads nor row order", () =>
  withFolder(async (folder) => {
    const first = await run(folder, withGroups('auto'), 1);
    assert.ok(first.cohorts >= 7 && first.cohorts <= 9, `${first.cohorts} cohorts`);
    assert.ok(first.agreement >= 0.93, `NMI ${first.agreement}`);
    const { inputs } = config;
    const inOtherOrder = {
      ...inputs,
      items: { ...inputs.items, path: [shuffled(folder, 'movies.csv')] },
      ratings: { ...inputs.ratings, path: [shuffled(folder, 'ratings.csv.gz')] },
    };
    const others = [
      await run(folder, withGroups('auto'), 2),
      await run(folder, { ...withGroups('auto'), inputs: inOtherOrder }, 4),
    ];
    for (const other of others) assert.ok(other.bytes.equals(first.bytes), 'the same bytes');
  }));

test('the sample with 8 groups agrees with the planted tastes', () =>
  withFolder(async (folder) => {
    const { cohorts, agreement } = await run(folder, withGroups(8), 2);
    assert.is(cohorts, 8);
    assert.ok(agreement >= 0.93, `NMI ${agreement}`);
  }));

test('nmi: worked examples', () => {
  const table: [string[], string[], number][] = [
    [['a', 'a', 'b', 'b'], ['x', 'x', 'y', 'y'], 1],
    [['a', 'a', 'b', 'b'], ['x', 'y', 'x', 'y'], 0],
    [['a', 'a'], ['x', 'x'], 1],
    // H = ln 2 and 2 ln 2, I = ln 2.
    [['a', 'a', 'b', 'b'], ['w', 'x', 'y', 'z'], 2 / 3],
  ];
  for (const [a, b, expected] of table) assert.ok(Math.abs(nmi(a, b) - expected) < 1e-12, `${a} ${b}`);
});

test.run();
