/** What a clone of the repository brings. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../src/paths.js';

const most = 16 * 2 ** 20;

test('the files with the sample model are below 16 MiB', () => {
  if (!existsSync(join(packageRoot, '.git'))) {
    console.log('note: this is no clone, so that the size of one is not tested');
    return;
  }
  const listed = execFileSync('git', ['-c', 'safe.directory=*', 'ls-files', '-z'], {
    cwd: packageRoot,
    encoding: 'utf8',
  });
  const files = listed.split('\0').filter((file) => file !== '' && existsSync(join(packageRoot, file)));
  assert.ok(files.includes('data-samples/model/model.safetensors'));
  const bytes = files.reduce((sum, file) => sum + statSync(join(packageRoot, file)).size, 0);
  assert.ok(bytes < most, `${bytes} bytes of at most ${most}`);
});

test.run();
