import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeProfile, encodeProfile, profileDrafts, profileNodes } from '../../src/pool/profile.js';

const drafts = fc.array(
  fc
    .array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: profileNodes + 3 })
    .map((gains) => Float64Array.from(gains).sort().reverse()),
  { minLength: 1, maxLength: profileDrafts },
);

test('a profile is read as it was written, within 2% of each chance; what hardly ever comes is left out', () => {
  fc.assert(
    fc.property(drafts, (profile) => {
      const read = decodeProfile(encodeProfile(profile));
      assert.is(read.length, profile.length);
      for (const [d, gains] of profile.entries()) {
        const likely = gains.subarray(0, profileNodes).filter((gain) => gain > 0.0004);
        const kept = read[d] as Float64Array;
        assert.ok(kept.length >= likely.length && kept.length <= Math.min(gains.length, profileNodes));
        for (const [n, gain] of likely.entries()) assert.ok(Math.abs((kept[n] as number) / gain - 1) < 0.02);
      }
    }),
  );
});

test('of many drafts some are kept, evenly', () => {
  const many = Array.from({ length: 1000 }, (_, i) => Float64Array.of(i < 500 ? 0.9 : 0.1));
  const read = decodeProfile(encodeProfile(many));
  assert.is(read.length, profileDrafts);
  assert.is(read.filter(([gain = 0]) => gain > 0.5).length, profileDrafts / 2);
});

test('what is no profile is refused', () => {
  const bytes = (length: number, ...first: number[]) => {
    const all = new Uint8Array(length).fill(255);
    all.set(first);
    return Buffer.from(all).toString('base64');
  };
  assert.throws(() => decodeProfile(`${bytes(profileNodes)}*`), /no base64/);
  assert.throws(() => decodeProfile(''), /0 bytes, expected 64 for each/);
  assert.throws(() => decodeProfile(bytes(profileNodes - 1)), /63 bytes/);
  assert.throws(
    () => decodeProfile(bytes(profileNodes * (profileDrafts + 1))),
    /expected 64 for each of 1 to 128/,
  );
  assert.throws(() => decodeProfile(bytes(profileNodes * 2, 9, 8)), /draft 0 of a profile rise/);
  assert.equal(decodeProfile(bytes(profileNodes, 0)), [Float64Array.of(1)]);
});

test.run();
