import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duck, type Params } from '../../src/lake/duck.js';
import { packageRoot } from '../../src/paths.js';

/** Runs a statement of a file under tests/bench, named without its ending. */
export async function runSql(name: string, params: Params): Promise<void> {
  const duck = await Duck.open();
  try {
    await duck.run(readFileSync(join(packageRoot, 'tests/bench', `${name}.sql`), 'utf8'), params);
  } finally {
    duck.close();
  }
}
