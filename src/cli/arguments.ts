/** The command line -> what to do. Everything wrong with it is found here, before anything is loaded. */
import { parseArgs } from 'node:util';
import { LOCAL_PATH } from '../config/paths.js';
import { didYouMean } from '../config/suggest.js';
import { inputError } from '../errors.js';
import { LEVELS } from '../report/log.js';
import { isRemote } from '../store/location.js';
import { OPTIONS, type OptionName, type Options } from './options.js';

export type { Options } from './options.js';

export const STAGES = ['segment', 'prompts', 'pools', 'decode', 'publish', 'run'] as const;
export type StageName = (typeof STAGES)[number];
export const MODEL_ACTIONS = ['inspect', 'import', 'costs'] as const;
export type ModelAction = (typeof MODEL_ACTIONS)[number];
/** What looks ahead, and writes no table. */
export const TOOLS = ['simulate', 'plan'] as const;
export type ToolName = (typeof TOOLS)[number];
/** What is done with a lake beside its stages: all of it is told the lake by a configuration. */
export const LAKE_COMMANDS = ['status', 'report', 'rollback', 'prune', 'forget', 'evaluate', 'tune'] as const;
export type LakeCommand = (typeof LAKE_COMMANDS)[number];
/** What can be named first on the command line. */
export const COMMANDS = [...STAGES, ...LAKE_COMMANDS, ...TOOLS, 'explain', 'model'] as const;
export type CommandName = (typeof COMMANDS)[number];
const BESIDE = COMMANDS.slice(STAGES.length).join(' or ');

const COMMON: readonly OptionName[] = [
  'config',
  'lake',
  'partition',
  'set',
  'json',
  'quiet',
  'debug',
  'log-level',
  'skip-exit-code',
  'help',
];
/** What commands know that always do something. */
const ALWAYS: readonly OptionName[] = COMMON.filter((option) => option !== 'skip-exit-code');
/** What every stage knows, and what takes as long as one: who looks on. */
const WATCHING: readonly OptionName[] = ['metrics-file', 'lineage-file'];
/** Those for all partitions of a lake. */
const ALL_PARTITIONS = ALWAYS.filter((option) => option !== 'partition');
const LAKE_OPTIONS: Readonly<Record<LakeCommand, readonly OptionName[]>> = {
  status: ALWAYS,
  report: [...ALWAYS, 'out'],
  rollback: ALWAYS,
  prune: [...ALL_PARTITIONS, 'keep', 'older-than', 'dry-run'],
  forget: [...ALL_PARTITIONS, 'user', 'users', 'item'],
  evaluate: [...COMMON, ...WATCHING, 'limit', 'divergence-budget'],
  tune: [
    ...ALWAYS,
    ...WATCHING,
    'limit',
    'divergence-budget',
    'top-k',
    'min-prob',
    'min-gain',
    'nodes',
    'max-loss',
  ],
};
/** Options that may be given several times. */
const REPEATABLE: readonly OptionName[] = ['set', 'user', 'item', 'trace-prompts'];
/** What `dare model` knows, and what one of its actions knows beyond that. */
const MODEL: readonly OptionName[] = ['cache', 'json', 'quiet', 'debug', 'log-level', 'help'];
const MODEL_OWN: Readonly<Record<ModelAction, readonly OptionName[]>> = {
  inspect: [],
  import: ['weights'],
  costs: ['weights', 'concurrency', 'set', 'out'],
};
/** Options that hold a path on this machine: `--lake`, like the key, may be in an object store. */
const PATHS: readonly OptionName[] = [
  'config',
  'model',
  'prompts',
  'out',
  'pools',
  'texts',
  'tokenizer',
  'cache',
  'users',
  'trace',
  'metrics-file',
  'lineage-file',
];
const TRACE: readonly OptionName[] = ['trace', 'trace-prompts', 'trace-limit'];
/** What `dare explain` knows beside the prompt. */
const EXPLAIN: readonly OptionName[] = ['trace', 'json', 'quiet', 'debug', 'log-level', 'help'];
/** What a stage knows beyond the common options. */
const OWN: Readonly<Partial<Record<StageName, readonly OptionName[]>>> = {
  pools: ['texts', 'tokenizer', 'out'],
  decode: ['model', 'prompts', 'out', 'pools', 'weights', 'mode', 'concurrency', 'shard', ...TRACE],
  run: ['force', 'accept-types'],
  segment: ['accept-types'],
};
/** Without a configuration file a stage needs all of these; `optional` may come with them. */
const ALONE: Readonly<Partial<Record<StageName, { required: OptionName[]; optional: OptionName[] }>>> = {
  pools: { required: ['texts', 'tokenizer', 'out'], optional: [] },
  decode: { required: ['model', 'prompts', 'out'], optional: ['pools'] },
};

/** What tools need, and know beside it. */
const TOOL: Readonly<Record<ToolName, { required: OptionName[]; optional: OptionName[] }>> = {
  simulate: {
    required: ['texts', 'pool-texts', 'tokenizer'],
    optional: [
      'prompts',
      'nodes',
      'sources',
      'ngrams',
      'pool-sizes',
      'by',
      'limit',
      'peers',
      'divergence-budget',
      'min-gain',
      'costs',
      'batch',
      'out',
    ],
  },
  plan: {
    required: [],
    optional: [
      'config',
      'lake',
      'partition',
      'set',
      'model',
      'prompts',
      'texts',
      'pool-texts',
      'costs',
      'batch',
      'nodes',
      'limit',
    ],
  },
};

export type Command =
  | { kind: 'help'; command?: CommandName }
  | { kind: 'version' }
  | { kind: 'lake'; name: LakeCommand; options: Options }
  | { kind: 'tool'; tool: ToolName; options: Options }
  | { kind: 'model'; action: ModelAction; path: string; options: Options }
  | { kind: 'explain'; promptId: string; options: Options }
  | { kind: 'verify'; options: Options }
  | { kind: 'stage'; stage: StageName; standalone: boolean; options: Options };

/** @throws DareError with exit code 2 and one sentence about what is wrong */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals, tokens } = parse(argv);
  const [name, ...rest] = positionals;
  if (name === undefined) {
    if (values.version === true) return { kind: 'version' };
    if (values.help === true) return { kind: 'help' };
    throw inputError(
      `no stage given: expected one of ${STAGES.join(', ')}, or ${BESIDE}`,
      'dare --help explains them.',
    );
  }
  const command = COMMANDS.find((known) => known === name);
  if (command === undefined) throw unknownCommand(name);
  if (values.help === true) return { kind: 'help', command };
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name as OptionName] : []));
  if (command === 'model') return modelCommand(values, given, rest);
  if (command === 'explain') return explainCommand(values, given, rest);
  if (command === 'pools' && rest[0] === 'verify') return verifyCommand(values, given, rest.slice(1));
  if (rest[0] !== undefined) throw unexpected(command, rest[0]);
  if (isLakeCommand(command)) return lakeCommand(command, values, given);
  if (isTool(command)) return toolCommand(command, values, given);
  checkOptions(command, [...COMMON, ...WATCHING, ...(OWN[command] ?? [])], given, values);
  if (values.shard !== undefined && !isShard(values.shard))
    throw usageError(command, `--shard is ${values.shard}: expected K/N, whole numbers with K from 1 to N`);
  return { kind: 'stage', stage: command, standalone: checkStandalone(command, given), options: values };
}

function toolCommand(tool: ToolName, options: Options, given: readonly OptionName[]): Command {
  checkOptions(tool, toolOptions(tool), given, options);
  const missing = TOOL[tool].required.filter((option) => !given.includes(option));
  if (missing.length > 0) {
    const names = missing.map((option) => `--${option}`).join(' and ');
    throw usageError(tool, `${names} missing`);
  }
  return { kind: 'tool', tool, options };
}

function toolOptions(tool: ToolName): OptionName[] {
  return [...TOOL[tool].required, ...TOOL[tool].optional, 'json', 'quiet', 'debug', 'log-level', 'help'];
}

function lakeCommand(name: LakeCommand, options: Options, given: readonly OptionName[]): Command {
  checkOptions(name, LAKE_OPTIONS[name], given, options);
  if (!given.includes('config')) throw usageError(name, '--config FILE is missing');
  if (name === 'prune') checkPrune(options, given);
  if (name === 'forget') checkForget(options, given);
  return { kind: 'lake', name, options };
}

function checkPrune({ keep }: Options, given: readonly OptionName[]): void {
  if (keep !== undefined && given.includes('older-than'))
    throw usageError('prune', '--keep and --older-than exclude each other: expected one of them');
  if (keep !== undefined && !/^[1-9]\d{0,6}$/.test(keep))
    throw usageError('prune', `--keep is ${keep}: expected the number of partitions that stay, from 1`);
}

function checkForget({ user = [], item = [] }: Options, given: readonly OptionName[]): void {
  if (!given.some((option) => ['user', 'users', 'item'].includes(option)))
    throw usageError('forget', 'whom to forget is missing: expected --user ID, --users FILE or --item ID');
  if ([...user, ...item].includes('')) throw usageError('forget', 'an id is empty');
}

function isLakeCommand(command: CommandName): command is LakeCommand {
  return LAKE_COMMANDS.some((name) => name === command);
}

function isTool(command: CommandName): command is ToolName {
  return TOOLS.some((tool) => tool === command);
}

function verifyCommand(
  options: Options,
  given: readonly OptionName[],
  [unknown]: readonly string[],
): Command {
  if (unknown !== undefined) throw unexpected('pools', unknown);
  checkOptions('pools', [...ALWAYS, 'pools'], given, options);
  const ways = 'expected either --config FILE or --pools DIR';
  if (!given.includes('pools')) {
    if (!given.includes('config')) throw usageError('pools', `no pools given: ${ways}`);
  } else {
    const contrary = (['config', 'lake', 'partition', 'set'] as const).find((name) => given.includes(name));
    if (contrary !== undefined)
      throw usageError('pools', `--${contrary} and --pools exclude each other: ${ways}`);
  }
  return { kind: 'verify', options };
}

function explainCommand(
  options: Options,
  given: readonly OptionName[],
  [promptId, unknown]: readonly string[],
): Command {
  const way = 'expected dare explain PROMPT_ID --trace FILE';
  if (promptId === undefined || promptId === '')
    throw usageError('explain', `the prompt's id is missing: ${way}`);
  if (unknown !== undefined) throw unexpected('explain', unknown);
  checkOptions('explain', EXPLAIN, given, options);
  if (!given.includes('trace')) throw usageError('explain', `--trace FILE is missing: ${way}`);
  return { kind: 'explain', promptId, options };
}

function modelCommand(
  options: Options,
  given: readonly OptionName[],
  [name, path, ...rest]: readonly string[],
): Command {
  const ways = `expected ${MODEL_ACTIONS.map((known) => `dare model ${known} PATH`).join(' or ')}`;
  const action = MODEL_ACTIONS.find((known) => known === name);
  if (name === undefined) throw usageError('model', `no action given: ${ways}`);
  if (action === undefined) {
    const meant = didYouMean(name, MODEL_ACTIONS);
    throw usageError('model', `${JSON.stringify(name)} is nothing that dare model does: ${ways}${meant}`);
  }
  if (path === undefined || path === '')
    throw usageError('model', `the path of the model is missing: ${ways}`);
  if (rest[0] !== undefined) throw unexpected('model', rest[0]);
  checkOptions('model', [...MODEL, ...MODEL_OWN[action]], given, options);
  return { kind: 'model', action, path, options };
}

/** The command that the arguments name, for reporting on arguments that can't be parsed. */
export function commandOf(argv: readonly string[]): CommandName | undefined {
  return COMMANDS.find((command) => command === argv.find((argument) => !argument.startsWith('-')));
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, tokens: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined || !code.startsWith('ERR_PARSE_ARGS')) throw error;
    const first = argv[0];
    if (first !== undefined && !first.startsWith('-') && commandOf(argv) === undefined)
      throw unknownCommand(first);
    const option = /'(-[^' <,=]*)/.exec(message)?.[1] ?? '';
    const known = Object.keys(OPTIONS).map((name) => `--${name}`);
    const sentence =
      code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION'
        ? `there is no option ${option}${didYouMean(option, known)}`
        : /does not take an argument/.test(message)
          ? `${option} takes no value`
          : `${option} needs a value (one that starts with a dash is written ${option}=VALUE)`;
    throw inputError(sentence, helpHint(commandOf(argv)), error);
  }
}

function checkOptions(
  command: CommandName,
  known: readonly OptionName[],
  given: readonly OptionName[],
  values: Options,
): void {
  for (const [index, option] of given.entries()) {
    if (!known.includes(option)) {
      const owners = COMMANDS.filter((other) => optionsOf(other).includes(option)).map(
        (other) => `dare ${other}`,
      );
      const owner = owners.length === 0 ? '' : ` (it belongs to ${owners.join(' and ')})`;
      throw usageError(command, `dare ${command} has no option --${option}${owner}`);
    }
    if (!REPEATABLE.includes(option) && given.indexOf(option) < index) {
      throw usageError(command, `--${option} is given twice`);
    }
    const value = values[option as keyof Options];
    if (PATHS.includes(option) && typeof value === 'string' && isRemote(value))
      throw usageError(command, `--${option} is ${value}: expected ${LOCAL_PATH}`);
    if (value === '') throw usageError(command, `--${option} is empty`);
  }
  checkLevel(command, values);
  const code = values['skip-exit-code'];
  if (code !== undefined && !(/^\d{1,3}$/.test(code) && Number(code) <= 255))
    throw usageError(command, `--skip-exit-code is ${code}: expected a whole number from 0 to 255`);
}

function checkLevel(command: CommandName, { quiet, debug, 'log-level': level }: Options): void {
  if (level === undefined) return;
  if (!LEVELS.some((known) => known === level))
    throw usageError(command, `--log-level is ${level}: expected one of ${LEVELS.join(', ')}`);
  const contrary = quiet === true ? 'quiet' : debug === true ? 'debug' : undefined;
  if (contrary !== undefined) throw usageError(command, `--log-level and --${contrary} exclude each other`);
}

/** The options of a command beyond those that most have. */
function optionsOf(command: CommandName): readonly OptionName[] {
  if (command === 'model') return MODEL;
  if (command === 'explain') return EXPLAIN;
  if (isTool(command)) return toolOptions(command);
  if (isLakeCommand(command)) return LAKE_OPTIONS[command].filter((option) => !COMMON.includes(option));
  return [...WATCHING, ...(OWN[command] ?? [])];
}

function unexpected(command: CommandName, argument: string) {
  return usageError(command, `unexpected argument ${JSON.stringify(argument)}: options start with --`);
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
  if (has('shard'))
    throw usageError(stage, '--shard needs --config FILE: publish joins the shards of a lake');
  if (stage === 'pools' && has('set')) throw usageError(stage, '--set needs --config FILE');
  return true;
}

function isShard(text: string): boolean {
  const [, index, count] = /^([1-9]\d{0,6})\/([1-9]\d{0,6})$/.exec(text) ?? [];
  return count !== undefined && Number(index) <= Number(count);
}

function unknownCommand(name: string) {
  return inputError(
    `${JSON.stringify(name)} is no stage of dare: expected one of ${STAGES.join(', ')}, or ${BESIDE}${didYouMean(name, COMMANDS)}`,
    'dare --help explains them.',
  );
}

function usageError(command: CommandName, sentence: string) {
  return inputError(sentence, helpHint(command));
}

function helpHint(command: CommandName | undefined): string {
  return `dare ${command === undefined ? '' : `${command} `}--help shows the options.`;
}
