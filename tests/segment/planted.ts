import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duck } from '../../src/lake/duck.js';
import { packageRoot } from '../../src/paths.js';

/** Cohorts of the sample's users (table `cohorts`) and, in the same order, the tastes they were planted with. */
export async function plantedLabels(duck: Duck): Promise<{ found: string[]; planted: string[] }> {
  const lines = readFileSync(join(packageRoot, 'data-samples/users.csv'), 'utf8').trim().split('\n').slice(1);
  const tastes = new Map(lines.map((line) => line.trim().split(',') as [string, string]));
  const rows = await duck.rows(
    "select entity_id, cohort from cohorts where entity_type = 'user' order by entity_id",
  );
  return {
    found: rows.map((row) => String(row.cohort)),
    planted: rows.map((row) => tastes.get(String(row.entity_id)) ?? 'missing'),
  };
}
