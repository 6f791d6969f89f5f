/** tokenizer.json and what lies beside it, damaged: read, or refused as wrong input, and nothing else. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import { TextModel } from '../../src/text/tokenizer.js';
import { isRead, odd, withDamage } from '../damage.js';
import { reference, sampleFolder, sampleTokenizer } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-damaged-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const file = join(folder, 'tokenizer.json');
const config = readFileSync(join(sampleFolder, 'tokenizer_config.json'));

/** Reads the folder and turns some text into tokens and back. */
function use(): void {
  const model = TextModel.load(folder);
  model.decode(model.encodeText('A <|im_start|> of 7 Ünïcödé words.'));
  model.encodePrompt('What is it?');
}

const tokenizers = Object.entries({ ...reference.tokenizers, sample: sampleTokenizer });

for (const [name, tokenizer] of tokenizers) {
  const whole = JSON.stringify(tokenizer);
  /** A large one takes a tenth of a second. */
  const runs = whole.length > 100_000 ? 30 : 400;
  test(`tokenizer.json (${name}): bytes that are damaged`, async () => {
    writeFileSync(join(folder, 'tokenizer_config.json'), config);
    await withDamage(Buffer.from(whole), runs, (bytes) => {
      writeFileSync(file, bytes);
      use();
    });
  });

  test(`tokenizer.json (${name}): any value in any place`, async () => {
    const places = placesOf(tokenizer);
    const property = fc.asyncProperty(fc.constantFrom(...places), odd, async (place, value) => {
      const changed = JSON.parse(whole) as Record<string, unknown>;
      put(changed, place, value);
      writeFileSync(file, JSON.stringify(changed));
      await isRead(use);
    });
    await fc.assert(property, { numRuns: runs });
  });
}

test('tokenizer_config.json', async () => {
  writeFileSync(file, JSON.stringify(Object.values(reference.tokenizers)[0]));
  await withDamage(config, 300, (bytes) => {
    writeFileSync(join(folder, 'tokenizer_config.json'), bytes);
    use();
  });
});

test.run();

type Place = readonly string[];

/** Paths to all values but those of the vocabulary and the merges beyond the first two of each. */
function placesOf(value: unknown, at: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [at];
  const entries = Object.entries(value);
  const few = entries.length > 30 ? entries.slice(0, 2) : entries;
  return [at, ...few.flatMap(([key, inner]) => placesOf(inner, [...at, key]))].filter(
    (place) => place.length > 0,
  );
}

function put(object: Record<string, unknown>, place: Place, value: unknown): void {
  const [key, ...rest] = place as [string, ...string[]];
  if (rest.length === 0) object[key] = value;
  else put(object[key] as Record<string, unknown>, rest, value);
}
