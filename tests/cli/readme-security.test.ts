import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../../src/paths.js';

test('the README says of every dependency why it is needed, and of no other', () => {
  const read = (name: string) => readFileSync(join(packageRoot, name), 'utf8');
  const table = read('README.md').split('| package | why it is needed')[1]?.split('\n\n')[0] ?? '';
  const rows = table.split('\n').slice(2);
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  assert.equal(named.sort(), Object.keys(dependencies).sort());
});

test.run();
