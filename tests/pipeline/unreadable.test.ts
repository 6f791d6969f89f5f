/** What the user names and can't be read: what is wrong, where, and what to do, in words of ours. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runError } from '../../src/errors.js';
import { unreadable } from '../../src/unreadable.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { inFolder } from '../prompts/fixture.js';
import { cache, copyModel, limited, sampleModel, smallCatalogue, writePrompts } from './fixture.js';

function assertSaid({ code, stderr }: Finished, exitCode: number, says: RegExp): void {
  assert.is(code, exitCode, stderr);
  assert.match(stderr, says);
  assert.match(stderr, /\nhint: \S/);
  assert.not.match(stderr, /E[A-Z]{4,}:|unexpected error/);
}

const isRoot = process.getuid?.() === 0;
const denied = /can't be read: permission is denied\nhint: Give this user the right to read it/;

/** Files of a catalogue that may not be read, and the command that reads them; FOLDER stands for where they are. */
const run = ['run', '--config', 'FOLDER/dare.yaml', '--set', 'model.path=FOLDER/model'];
const CLOSED: [file: string, command: string[]][] = [
  ['movies.csv', ['segment', '--config', 'FOLDER/dare.yaml']],
  ['movies.csv', run],
  ['dare.yaml', run],
  ['model/tokenizer.json', run],
  ['model/config.json', run],
  ['model/model.safetensors', run],
  ['inside', [...run, '--set', 'inputs.items.path=FOLDER/inside/movies.csv']],
  [
    'prompts.parquet',
    ['pools', '--texts', 'FOLDER/prompts.parquet', '--tokenizer', sampleModel, '--out', 'FOLDER/lake'],
  ],
];

test('no permission to read: exit code 1, as wherever permission is missing', async () => {
  await inFolder(async (folder) => {
    smallCatalogue(folder);
    copyModel(folder);
    await writePrompts(folder);
    for (const name of ['inside', 'lake']) mkdirSync(join(folder, name));
    cpSync(join(folder, 'movies.csv'), join(folder, 'inside/movies.csv'));
    execFileSync('chmod', ['-R', 'a+rwX', folder]);
    // root may read everything
    const nobody = { home: join(folder, 'lake'), ...(isRoot ? { uid: 65534 } : {}) };
    for (const [file, command] of CLOSED) {
      const path = join(folder, file);
      chmodSync(path, 0);
      const finished = await limited(
        command.map((part) => part.replace('FOLDER', folder)),
        nobody,
      );
      chmodSync(path, 0o777);
      assertSaid(finished, 1, denied);
      assert.ok(finished.stderr.includes(path), finished.stderr);
    }
  });
});

/** What isn't there, or is a folder. */
const MISSING: [command: string[], says: RegExp][] = [
  [['explain', 'x', '--trace', 'none'], /the trace none can't be read: there is no such file\n/],
  [['explain', 'x', '--trace', '.'], /the trace \. can't be read: it is a folder, expected a file\n/],
  [
    ['plan', '--model', sampleModel, '--prompts', 'prompts.parquet', '--costs', 'none'],
    /the cost table none can't be read: there is no such file\n/,
  ],
  [
    ['plan', '--model', sampleModel, '--prompts', 'prompts.parquet', '--costs', '.'],
    /the cost table \. can't be read: it is a folder, expected a file\n/,
  ],
  [['run', '--config', '.'], /the configuration \. can't be read: it is a folder, expected a file\n/],
  [['forget', '--config', 'dare.yaml', '--users', 'none'], /--users: none can't be read: there is no such/],
  [
    ['simulate', '--texts', 'none.parquet', '--pool-texts', 'none.parquet', '--tokenizer', sampleModel],
    /none\.parquet: there is no such file\n/,
  ],
  [
    ['decode', '--model', sampleModel, '--prompts', 'none.parquet', '--out', 'out.parquet'],
    /none\.parquet is missing, or is no file\n/,
  ],
];

test('what is not there, or is a folder: exit code 2', async () => {
  await inFolder(async (folder) => {
    smallCatalogue(folder);
    await writePrompts(folder);
    for (const [args, says] of MISSING) {
      const more = args[0] === 'decode' ? ['--set', `model.cache=${cache}`] : [];
      assertSaid(await dare([...args, ...more], folder), 2, says);
    }
    const inspected = await dare(['model', 'inspect', '.'], folder);
    const [reason] = resultOf(inspected).reasons as string[];
    assert.match(String(reason), /^The model's .*config\.json can't be read: there is no such file$/);
  });
});

test('a failure of the system is one to try again after; what is wrong with the content is not', () => {
  const system = (code: string) => Object.assign(new Error(`${code}: i/o error, read`), { code });
  for (const [error, exitCode, message] of [
    [system('EIO'), 1, "f can't be read: EIO: i/o error, read"],
    [system('EPERM'), 1, "f can't be read: permission is denied"],
    [system('ENOTDIR'), 2, "f can't be read: a part of its path is a file, expected a folder"],
    [system('ERR_ENCODING'), 2, "f can't be read: ERR_ENCODING: i/o error, read"],
    [new SyntaxError('bad JSON\nhere'), 2, "f can't be read: bad JSON"],
    [runError('known', 'hint'), 1, 'known'],
  ] as const) {
    const said = unreadable(error, 'f', 'hint');
    assert.equal([said.exitCode, said.message], [exitCode, message]);
    assert.ok(said.hint);
  }
});

test.run();
