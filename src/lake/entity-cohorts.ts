import { existsSync } from 'node:fs';
import { inputError, messageOf } from '../errors.js';
import type { Duck } from './duck.js';
import type { Lake } from './lake.js';

/**
 * Reads the cohorts of a partition into the table `entity_cohorts(entity_type, entity_id, cohort)`, one row an
 * entity. Without a cohorts table it stays empty, and the warning that is returned says so.
 * @throws inputError for a file that is no cohorts table, or that has an entity twice.
 */
export async function openEntityCohorts(duck: Duck, lake: Lake, partition: string): Promise<string[]> {
  const path = lake.file('cohorts', partition);
  if (!existsSync(path)) {
    await duck.script('lake/no-entity-cohorts');
    return [`there is no cohorts table for the partition ${partition} (${path}): cohorts stay empty`];
  }
  const [twice] = await readCohorts(duck, path);
  if (twice === undefined) return [];
  throw inputError(
    `the cohorts table ${path} has ${twice.n} rows for the ${twice.entity_type} "${twice.entity_id}"; expected one`,
    'Run dare segment again.',
  );
}

async function readCohorts(duck: Duck, path: string): Promise<Record<string, unknown>[]> {
  try {
    return await duck.scriptRows('lake/entity-cohorts', { params: { path } });
  } catch (error) {
    throw inputError(
      `the cohorts table ${path} can't be read: ${messageOf(error)}`,
      'Run dare segment again.',
      error,
    );
  }
}
