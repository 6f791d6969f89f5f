import { inputError } from '../errors.js';
import type { Column } from './page-session.js';

const plainTypes =
  /^(VARCHAR|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|UUID|DATE|BOOLEAN|ENUM\(.*\)|DECIMAL\(\d+,0\))$/s;
const chatType = /^STRUCT\((?=.*"?\brole"? VARCHAR)(?=.*"?\bcontent"? VARCHAR).*\)\[\]$/s;

/** Checks the columns of a file of prompts, and says which of the two kinds it is. @throws inputError */
export function checkPromptColumns(file: string, columns: Column[]): 'prompt' | 'messages' {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const found = `found: ${columns.map(({ name }) => name).join(', ') || 'none'}`;
  if (!types.has('prompt_id')) throw inputError(`${file} has no column prompt_id (${found})`, promptHint);
  const kinds = (['prompt', 'messages'] as const).filter((name) => types.has(name));
  const [kind] = kinds;
  if (kind === undefined)
    throw inputError(`${file} has neither a column prompt nor messages (${found})`, promptHint);
  if (kinds.length === 2)
    throw inputError(`${file} has both columns prompt and messages`, `Leave one out. ${promptHint}`);
  for (const name of ['prompt_id', 'entity_type', 'entity_id', 'framework', 'cohort']) {
    checkType(file, name, types.get(name), plainTypes, 'text or a whole number');
  }
  if (kind === 'prompt') checkType(file, kind, types.get(kind), /^VARCHAR$/, 'VARCHAR (UTF-8 text)');
  else checkType(file, kind, types.get(kind), chatType, 'a LIST of STRUCT(role VARCHAR, content VARCHAR)');
  return kind;
}

const promptHint =
  'Expected prompt_id and either prompt (text) or messages (a list of role and content), optional entity_type, entity_id, framework, cohort.';

/** Checks the columns of files of texts. @throws inputError */
export function checkTextColumns(files: string, columns: Column[]): void {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  if (!types.has('text')) {
    throw inputError(
      `${files} has no column text (found: ${columns.map(({ name }) => name).join(', ') || 'none'})`,
      'Expected text, optional entity_type, entity_id, cohort, prompt_id, finish_reason, error.',
    );
  }
  checkType(files, 'text', types.get('text'), /^VARCHAR$/, 'VARCHAR (UTF-8 text)');
  for (const name of ['entity_type', 'entity_id', 'cohort', 'prompt_id', 'finish_reason', 'error']) {
    checkType(files, name, types.get(name), plainTypes, 'text or a whole number');
  }
}

/** Checks the columns of files of recorded texts. @throws inputError */
export function checkRecordedColumns(files: string, columns: Column[]): void {
  checkTextColumns(files, columns);
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const check = (name: string, wanted: RegExp, words: string) =>
    checkType(files, name, types.get(name), wanted, words);
  for (const name of ['framework', 'finish_reason']) check(name, plainTypes, 'text or a whole number');
  check('prompt', /^VARCHAR$/, 'VARCHAR (UTF-8 text)');
  check('messages', chatType, 'a LIST of STRUCT(role VARCHAR, content VARCHAR)');
  for (const name of ['output_token_ids', 'second_ids'])
    check(name, /^U?(TINY|SMALL|BIG)?INT(EGER)?\[\]$/, 'a LIST of whole numbers');
  check('second_costs', /^(FLOAT|DOUBLE|DECIMAL\(.*\))\[\]$/, 'a LIST of numbers');
}

function checkType(
  file: string,
  name: string,
  type: string | undefined,
  wanted: RegExp,
  words: string,
): void {
  if (type === undefined || wanted.test(type)) return;
  throw inputError(`${file}: the column ${name} is ${type}, expected ${words}`);
}
