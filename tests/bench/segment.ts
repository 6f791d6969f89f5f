/**
 * How well the users' cohorts agree with the sample's planted tastes, against grouping by favourite genre, and how
 * long it takes. Usage: node dist/tests/bench/segment.js
 */
import { join } from 'node:path';
import { segmentTables } from '../../pipeline/segment.js';
import { loadConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { Duck } from '../../src/lake/duck.js';
import { openInputs } from '../../src/lake/inputs.js';
import { packageRoot } from '../../src/paths.js';
import { nmi } from '../segment/nmi.js';
import { plantedLabels } from '../segment/planted.js';

const config = loadConfig(join(packageRoot, 'data-samples/dare.yaml'));
const users = config.cohorts.users;
const runs: { name: string; users: Config['cohorts']['users'] }[] = [
  { name: 'groups: auto', users: { ...users, groups: 'auto' } },
  { name: 'groups: 8', users: { ...users, groups: 8 } },
  { name: 'favourite genre', users: { ...users, method: 'attributes', columns: ['genre'] } },
];
for (const run of runs) {
  const started = performance.now();
  const duck = await Duck.open();
  await openInputs(duck, config.inputs);
  const result = await segmentTables(duck, { ...config, cohorts: { ...config.cohorts, users: run.users } });
  const seconds = (performance.now() - started) / 1000;
  const { found, planted } = await plantedLabels(duck);
  duck.close();
  const cohorts = Object.keys(result.users.sizes).length;
  console.log(
    `${run.name.padEnd(16)} ${cohorts} cohorts  NMI ${nmi(found, planted).toFixed(3)}  ${seconds.toFixed(1)} s`,
  );
}
