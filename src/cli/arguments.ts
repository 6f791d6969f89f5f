/** The command line -> what to do. Everything wrong with it is found here, before anything is loaded. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../config/suggest.js';
import { inputError } from '../errors.js';

export const STAGES = ['segment', 'prompts', 'pools', 'decode', 'publish', 'run'] as const;
export type StageName = (typeof STAGES)[number];

const OPTIONS = {
  config: { type: 'string' },
  lake: { type: 'string' },
  partition: { type: 'string' },
  set: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  quiet: { type: 'boolean' },
  debug: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  model: { type: 'string' },
  prompts: { type: 'string' },
  out: { type: 'string' },
  pools: { type: 'string' },
  mode: { type: 'string' },
  concurrency: { type: 'string' },
  texts: { type: 'string' },
  tokenizer: { type: 'string' },
} as const;
type OptionName = keyof typeof OPTIONS;

const COMMON: readonly OptionName[] = [
  'config',
  'lake',
  'partition',
  'set',
  'json',
  'quiet',
  'debug',
  'help',
];
/** What a stage knows beyond the common options. */
const OWN: Readonly<Partial<Record<StageName, readonly OptionName[]>>> = {
  pools: ['texts', 'tokenizer', 'out'],
  decode: ['model', 'prompts', 'out', 'pools', 'mode', 'concurrency'],
};
/** Without a configuration file a stage needs all of these; `optional` may come with them. */
const ALONE: Readonly<Partial<Record<StageName, { required: OptionName[]; optional: OptionName[] }>>> = {
  pools: { required: ['texts', 'tokenizer', 'out'], optional: [] },
  decode: { required: ['model', 'prompts', 'out'], optional: ['pools'] },
};

export interface Options {
  config?: string;
  lake?: string;
  partition?: string;
  set?: string[];
  json?: boolean;
  quiet?: boolean;
  debug?: boolean;
  model?: string;
  prompts?: string;
  out?: string;
  pools?: string;
  mode?: string;
  concurrency?: string;
  texts?: string;
  tokenizer?: string;
}

export type Command =
  | { kind: 'help'; stage?: StageName }
  | { kind: 'version' }
  | { kind: 'stage'; stage: StageName; standalone: boolean; options: Options };

/** @throws DareError with exit code 2 and one sentence about what is wrong */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals, tokens } = parse(argv);
  const [name, ...rest] = positionals;
  if (name === undefined) {
    if (values.version === true) return { kind: 'version' };
    if (values.help === true) return { kind: 'help' };
    throw inputError(`no stage given: expected one of ${STAGES.join(', ')}`, 'dare --help explains them.');
  }
  const stage = STAGES.find((known) => known === name);
  if (stage === undefined) throw unknownStage(name);
  if (values.help === true) return { kind: 'help', stage };
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name as OptionName] : []));
  checkOptions(stage, given, rest);
  for (const option of given) {
    if (values[option] === '') throw usageError(stage, `--${option} is empty`);
  }
  return { kind: 'stage', stage, standalone: checkStandalone(stage, given), options: values };
}

/** The stage that the arguments name, for reporting on arguments that can't be parsed. */
export function stageOf(argv: readonly string[]): StageName | undefined {
  return STAGES.find((stage) => stage === argv.find((argument) => !argument.startsWith('-')));
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, tokens: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined || !code.startsWith('ERR_PARSE_ARGS')) throw error;
    const first = argv[0];
    if (first !== undefined && !first.startsWith('-') && stageOf(argv) === undefined)
      throw unknownStage(first);
    const option = /'(-[^' <,=]*)/.exec(message)?.[1] ?? '';
    const known = Object.keys(OPTIONS).map((name) => `--${name}`);
    const sentence =
      code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION'
        ? `there is no option ${option}${didYouMean(option, known)}`
        : /does not take an argument/.test(message)
          ? `${option} takes no value`
          : `${option} needs a value (one that starts with a dash is written ${option}=VALUE)`;
    throw inputError(sentence, helpHint(stageOf(argv)), error);
  }
}

function checkOptions(stage: StageName, given: readonly OptionName[], rest: readonly string[]): void {
  if (rest[0] !== undefined) {
    throw usageError(stage, `unexpected argument ${JSON.stringify(rest[0])}: options start with --`);
  }
  const known = [...COMMON, ...(OWN[stage] ?? [])];
  for (const [index, option] of given.entries()) {
    if (!known.includes(option)) {
      const owners = STAGES.filter((other) => OWN[other]?.includes(option)).map((other) => `dare ${other}`);
      const owner = owners.length === 0 ? '' : ` (it belongs to ${owners.join(' and ')})`;
      throw usageError(stage, `dare ${stage} has no option --${option}${owner}`);
    }
    if (option !== 'set' && given.indexOf(option) < index) {
      throw usageError(stage, `--${option} is given twice`);
    }
  }
}

/** Whether the stage runs without a configuration file; refuses what belongs to neither way. */
function checkStandalone(stage: StageName, given: readonly OptionName[]): boolean {
  const has = (option: OptionName) => given.includes(option);
  const alone = ALONE[stage];
  const own = alone === undefined ? [] : [...alone.required, ...alone.optional].filter(has);
  if (alone === undefined || (own.length === 0 && has('config'))) {
    if (!has('config')) throw usageError(stage, '--config FILE is missing');
    return false;
  }
  const ways = `either --config FILE or ${alone.required.map((name) => `--${name}`).join(', ')}`;
  if (own.length === 0) throw usageError(stage, `no input given: expected ${ways}`);
  const contrary = (['config', 'lake', 'partition'] as const).find(has);
  if (contrary !== undefined) {
    throw usageError(stage, `--${contrary} and --${own[0]} exclude each other: expected ${ways}`);
  }
  const missing = alone.required.filter((option) => !has(option)).map((option) => `--${option}`);
  if (missing.length > 0) throw usageError(stage, `${missing.join(' and ')} missing beside --${own[0]}`);
  if (stage === 'pools' && has('set')) throw usageError(stage, '--set needs --config FILE');
  return true;
}

function unknownStage(name: string) {
  return inputError(
    `${JSON.stringify(name)} is no stage of dare: expected one of ${STAGES.join(', ')}${didYouMean(name, STAGES)}`,
    'dare --help explains them.',
  );
}

function usageError(stage: StageName, sentence: string) {
  return inputError(sentence, helpHint(stage));
}

function helpHint(stage: StageName | undefined): string {
  return `dare ${stage === undefined ? '' : `${stage} `}--help shows the options.`;
}
