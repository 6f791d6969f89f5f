/** What foreign files can be like, for fast-check. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { DareError } from '../src/errors.js';

/** Whether something could be read; anything but a refusal with exit code 2 fails the test. */
export async function isRead(action: () => unknown): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (!(error instanceof DareError)) throw error;
    assert.is(error.exitCode, 2, error.message);
    return false;
  }
}

/** Reads damaged copies of a file. Some of them must be read and some refused, or little is tested. */
export async function withDamage(
  whole: Buffer,
  runs: number,
  read: (bytes: Buffer) => unknown,
): Promise<void> {
  let good = 0;
  const property = fc.asyncProperty(damaged(whole), async (bytes) => {
    if (await isRead(() => read(bytes))) good++;
  });
  await fc.assert(property, { numRuns: runs });
  assert.ok(good > 0 && good < runs, `${good} of ${runs} were read`);
}

/** Copies of some bytes with up to four changed, a stretch taken out, or the end cut off. */
export function damaged(whole: Buffer): fc.Arbitrary<Buffer> {
  const place = fc.nat(whole.length - 1);
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 127, 128, 255, 0x22, 0x5b, 0x7b, 0x39));
  const changed = fc.array(fc.tuple(place, byte), { minLength: 1, maxLength: 4 }).map((changes) => {
    const bytes = Buffer.from(whole);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes;
  });
  const without = fc
    .tuple(place, fc.integer({ min: 1, max: 40 }))
    .map(([at, length]) => Buffer.concat([whole.subarray(0, at), whole.subarray(at + length)]));
  const cut = place.map((length) => Buffer.from(whole.subarray(0, length)));
  return fc.oneof({ weight: 4, arbitrary: changed }, without, cut);
}

/** Values of JSON that nobody expects. */
export const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    'constructor',
    '__proto__',
    [],
    {},
    [[]],
    -1,
    0,
    1,
    0.5,
    1e9,
    1e308,
  ),
  fc.constantFrom<unknown>(10_000, 10_000_000, 2 ** 31, 2 ** 53, ['constructor'], [null], { a: { b: [] } }),
  fc.jsonValue({ maxDepth: 2 }),
);
