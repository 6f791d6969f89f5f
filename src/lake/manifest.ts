import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { inputError, messageOf } from '../errors.js';
import { recordOwnFile } from './fingerprint.js';
import {
  discard,
  fileError,
  makeFolder,
  manifestName,
  publishFile,
  replaceFile,
  temporaryBeside,
} from './lake.js';

/** What a stage writes beside its table: row counts, files, fingerprints of inputs, configuration, versions. */
export type Manifest = Record<string, unknown>;

/**
 * Writes `<dir>/_manifest.json` (indented JSON), the old one replaced in one step. Keys keep the caller's order, so
 * the same manifest gives the same bytes.
 * @throws runError where the folder can't be written
 */
export async function writeManifest(dir: string, manifest: Manifest): Promise<void> {
  makeFolder(dir);
  const file = join(dir, manifestName);
  await replaceFile(file, 'the manifest could not be written', (temporary) =>
    writeFile(temporary, textOf(manifest)),
  );
}

/**
 * Publishes a table and its manifest, which is told the table's size and fingerprint (`table`). Both are written before
 * the first is renamed, so that a full disk leaves the earlier two, and never a table with the manifest of another.
 * @param temporary the table, made beside `final`; gone afterwards in any case
 * @throws runError where the disk is full, read-only or forbidden
 */
export async function publishTable(temporary: string, final: string, manifest: Manifest): Promise<void> {
  const file = join(dirname(final), manifestName);
  const description = temporaryBeside(file);
  try {
    const table = await recordOwnFile(temporary, basename(final));
    await writeFile(description, textOf({ ...manifest, table }), { flush: true });
    await publishFile(temporary, final);
  } catch (error) {
    await discard(temporary);
    await discard(description);
    throw fileError(error, 'the manifest could not be written', file);
  }
  await publishFile(description, file);
}

/**
 * Writes a table beside `final` and publishes it with its manifest.
 * @param failure what to say when `write` fails, for example 'the prompts could not be written'
 * @throws runError where the disk is full, read-only or forbidden; the earlier table and manifest stay then
 */
export async function replaceTable(
  final: string,
  failure: string,
  manifest: Manifest,
  write: (temporary: string) => Promise<unknown>,
): Promise<void> {
  await replaceFile(final, failure, write, (temporary) => publishTable(temporary, final, manifest));
}

/**
 * The manifest of a folder, undefined when there is none.
 * @throws inputError when it is there but isn't a JSON object
 */
export async function readManifest(dir: string): Promise<Manifest | undefined> {
  const file = join(dir, manifestName);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(error, 'the manifest could not be read', file);
  }
  const value = parse(text, file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw inputError(`${file} holds no JSON object`, remedy);
  }
  return value as Manifest;
}

const remedy = 'Delete it, and run the stage again: the manifest is made anew.';

function textOf(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw inputError(`${file} isn't JSON, or is cut off: ${messageOf(error)}`, remedy, error);
  }
}
