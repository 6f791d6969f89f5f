import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inputError } from '../errors.js';
import { packageRoot } from '../paths.js';
import { unreadable } from '../unreadable.js';
import { parseTemplate, type Template } from './template.js';

/** The templates that come with the package: those of the frameworks KAR, TRAWL, ONCE and RLMRec. */
export const defaultTemplates = join(packageRoot, 'sql/prompts/templates');

/** How one entry of a user's history is written, in `{liked}` and `{disliked}`; its columns are the items'. */
const historyEntryName = 'history-entry.txt';

export interface FrameworkTemplates {
  readonly framework: string;
  /** Left out where the framework has no prompt for items. */
  readonly item: Template | undefined;
  readonly user: Template | undefined;
}

/**
 * Reads the templates of `frameworks` from `folder`: `<framework>-item.txt`, `<framework>-user.txt` and
 * `history-entry.txt`. What the folder lacks is taken from the package's templates. `files` are those that were read.
 * @throws inputError for a folder that can't be read, a text file whose name fits nothing (a typing error would
 *   otherwise leave the default in force), a framework without any template, and templates that don't parse.
 */
export function loadTemplates(
  folder: string,
  frameworks: readonly string[],
): { templates: FrameworkTemplates[]; historyEntry: Template; files: string[] } {
  const found = new Map([...listTemplates(defaultTemplates), ...listTemplates(folder)]);
  const files: string[] = [];
  const load = (name: string) => {
    const path = found.get(name);
    if (path === undefined) return undefined;
    files.push(path);
    return parseTemplate(readText(path), path);
  };
  const templates = frameworks.map((framework) => {
    const pair = { framework, item: load(`${framework}-item.txt`), user: load(`${framework}-user.txt`) };
    if (pair.item !== undefined || pair.user !== undefined) return pair;
    throw inputError(
      `prompts.frameworks: "${framework}" has no template: ${folder} holds neither ${framework}-item.txt nor ${framework}-user.txt`,
      'Write one of them, or name a framework that comes with the package: kar, trawl, once, rlmrec.',
    );
  });
  const historyEntry = load(historyEntryName) as Template;
  return { templates, historyEntry, files };
}

function listTemplates(folder: string): [name: string, path: string][] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw unreadable(
      error,
      `prompts.templates: the folder ${folder}`,
      'Give a folder with <framework>-item.txt and <framework>-user.txt, or leave the key out.',
    );
  }
  const texts = names.filter((name) => name.endsWith('.txt')).sort();
  const stray = texts.find((name) => !/-(item|user)\.txt$/.test(name) && name !== historyEntryName);
  if (stray !== undefined) {
    throw inputError(
      `prompts.templates: ${join(folder, stray)} is no template's name`,
      `Expected <framework>-item.txt, <framework>-user.txt or ${historyEntryName}; give notes another ending than .txt.`,
    );
  }
  return texts.map((name) => [name, join(folder, name)]);
}

function readText(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
  } catch (error) {
    if (!(error instanceof TypeError))
      throw unreadable(error, `the template ${path}`, 'Expected a text file.');
    throw inputError(`the template ${path} is not UTF-8 text`, 'Save it with the encoding UTF-8.', error);
  }
}
