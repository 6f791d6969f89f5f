import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../src/paths.js';

/** The lines of one of the sample's CSV files, `ratings.csv.gz` say; its header is the first. */
export function sampleLines(name: string): string[] {
  const bytes = readFileSync(join(packageRoot, 'data-samples', name));
  const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.trimEnd().split(/\r?\n/);
}
