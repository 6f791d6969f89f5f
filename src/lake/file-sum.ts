import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { fileError } from './file-error.js';

/** sha256 (hex) of a file of kept texts. @throws runError where it can't be read */
export async function sumOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (error) {
    throw fileError(error, 'the kept texts could not be read', file);
  }
  return hash.digest('hex');
}
