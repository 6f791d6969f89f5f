/** What is said when the store doesn't do what it is asked. */
import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';
import { storeError } from '../../src/store/errors.js';
import { S3Store } from '../../src/store/s3.js';
import { inEnvironment } from '../etl/environment.js';
import { folder } from './fixture.js';
import { credentials, type S3Server, startServer } from './server.js';

let server: S3Server | undefined;
const settings = (endpoint: string) => ({ endpoint, region: 'us-east-1' });

test.before.each(() => {
  Object.assign(process.env, credentials);
});
test.after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function listing(bucket: string, endpoint: string): Promise<DareError> {
  const store = await S3Store.open(bucket, settings(endpoint));
  try {
    await store.list('');
  } catch (error) {
    assert.instance(error, DareError);
    return error as DareError;
  }
  throw new Error('nothing was thrown');
}

test('a store that is not there: exit code 1, and what to check', async () => {
  const closed: Server = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const { message, exitCode, hint } = await listing('lakes', `http://127.0.0.1:${port}`);
  assert.is(message, 'the objects could not be listed: s3://lakes: the store can not be reached');
  assert.is(exitCode, 1);
  assert.match(hint ?? '', 'storage.endpoint');
});

test('no credentials: exit code 2, and where they may be', async () => {
  delete process.env.AWS_ACCESS_KEY_ID;
  delete process.env.AWS_SECRET_ACCESS_KEY;
  process.env.AWS_SHARED_CREDENTIALS_FILE = '/nonexistent';
  process.env.AWS_CONFIG_FILE = '/nonexistent';
  const { message, exitCode, hint } = await listing('lakes', 'http://127.0.0.1:9');
  assert.match(message, /no credentials were found/);
  assert.is(exitCode, 2);
  assert.match(hint ?? '', 'AWS_PROFILE');
});

test('no region: exit code 2', async () => {
  delete process.env.AWS_REGION;
  process.env.AWS_CONFIG_FILE = '/nonexistent';
  const store = await S3Store.open('lakes', { endpoint: 'http://127.0.0.1:9' });
  const error = await store.list('').catch((thrown: unknown) => thrown);
  assert.match((error as DareError).message, /the store's region is not known/);
  assert.is((error as DareError).exitCode, 2);
});

test(
  'a bucket that there is not, and credentials that are refused: exit code 2',
  inEnvironment('s3', async () => {
    server ??= await startServer(['lakes']);
    const missing = await listing('nobody', server.endpoint);
    assert.match(missing.message, /s3:\/\/nobody: there is no such bucket$/);
    assert.is(missing.exitCode, 2);
    await server.checkCredentials(true);
    const refused = await listing('lakes', server.endpoint);
    assert.match(refused.message, /s3:\/\/lakes: the store refuses the credentials$/);
    assert.is(refused.exitCode, 2);
    await server.checkCredentials(false);
    server.disturb = () => 'refuse';
    const denied = await listing('lakes', server.endpoint);
    assert.match(denied.message, /access is denied$/);
    assert.match(denied.hint ?? '', 's3:ListBucket');
  }),
);

const told: [thrown: object, says: RegExp, exitCode: number][] = [
  [{ name: 'SlowDown', $metadata: { httpStatusCode: 503 } }, /overloaded or out of order/, 1],
  [{ name: 'PermanentRedirect', $metadata: { httpStatusCode: 301 } }, /in another region/, 2],
  [{ name: 'ExpiredToken', $metadata: { httpStatusCode: 400 } }, /have expired/, 1],
  [{ name: 'TimeoutError' }, /does not answer in time/, 1],
  [
    { name: 'AggregateError', errors: [Object.assign(new Error(), { code: 'ECONNREFUSED' })] },
    /not be reached/,
    1,
  ],
  [{ name: 'Odd', message: 'something else\nmore of it' }, /: something else$/, 1],
];
for (const [thrown, says, exitCode] of told) {
  test(`${(thrown as Error).name} is told in one sentence`, () => {
    const error = storeError(Object.assign(new Error(), thrown), 'it failed', 's3://bucket/key');
    assert.match(error.message, says);
    assert.match(error.message, /^it failed: s3:\/\/bucket\/key: [^\n]+$/);
    assert.is(error.exitCode, exitCode);
  });
}

test.run();
