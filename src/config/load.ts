/** The configuration file -> `Config`, or one error that names every wrong key. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, isSeq, type LineCounter } from 'yaml';
import type { z } from 'zod';
import { inputError } from '../errors.js';
import { isRemote } from '../store/location.js';
import { unreadable } from '../unreadable.js';
import { checkCombinations, checkStandalone } from './combinations.js';
import { type KeyPath, type Problem, problemsOf, show } from './describe.js';
import { applyOverride, type Override, parseOverride } from './overrides.js';
import { resolvePaths } from './paths.js';
import {
  type Config,
  configSchema,
  PARTITION,
  PARTITION_RULE,
  type StandaloneConfig,
  standaloneSchema,
} from './schema.js';
import { type ParsedYaml, parseYaml } from './yaml.js';

/** Options of the command line that stand for a key. Taken as they are, not as YAML. */
export interface Flags {
  lake?: string;
  partition?: string;
  weights?: string;
  mode?: string;
  /** `auto` or digits. */
  concurrency?: string | number;
}

/**
 * Reads and validates a configuration file.
 *
 * @param overrides `path.to.key=value` each, applied in order; the value is parsed as YAML.
 * @param flags they win over file and overrides.
 * Relative paths count from the file's folder; in overrides and flags from the working directory.
 * @throws DareError with exit code 2: unreadable file, YAML syntax, or a list of every wrong key.
 */
export function loadConfig(file: string, overrides: readonly string[] = [], flags: Flags = {}): Config {
  const { document, lines, value } = readYaml(file);
  const raw = value ?? {};
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw inputError(
      `${file} is ${show(raw)}, expected a group of keys (inputs, lake, model, ...)`,
      REFERENCE,
    );
  }
  resolvePaths(raw, dirname(resolve(file)));
  const changes = [...overrides.map((text) => parseOverride(text, process.cwd())), ...flagOverrides(flags)];
  for (const change of changes) applyOverride(raw as Record<string, unknown>, change);
  const origin = (path: KeyPath) => originOf(path, changes) ?? lineOf(document, lines, path);
  return validate(configSchema, raw, checkCombinations, file, origin);
}

/**
 * The settings of decoding without a configuration file: defaults, changed by `--set` and flags.
 * @throws DareError with exit code 2 that lists every wrong key
 */
export function loadStandalone(
  overrides: readonly string[] = [],
  flags: Pick<Flags, 'weights' | 'mode' | 'concurrency'> = {},
): StandaloneConfig {
  const raw = {};
  const changes = [...overrides.map((text) => parseOverride(text, process.cwd())), ...flagOverrides(flags)];
  for (const change of changes) applyOverride(raw, change);
  return validate(standaloneSchema, raw, checkStandalone, 'options', (path) => originOf(path, changes));
}

/** Checks the name of a partition. @throws DareError with exit code 2 */
export function checkPartition(name: string): string {
  if (PARTITION.test(name)) return name;
  throw inputError(
    `partition ${show(name)} can't be used: expected ${PARTITION_RULE}`,
    'For example 2026-10-01',
  );
}

const REFERENCE = 'data-samples/dare.yaml of the package explains every key.';

function validate<T extends z.ZodType>(
  schema: T,
  raw: unknown,
  combinations: (raw: unknown) => Problem[],
  title: string,
  origin: (path: KeyPath) => string | undefined,
): z.output<T> {
  const parsed = schema.safeParse(raw);
  const problems = parsed.success ? [] : problemsOf(parsed.error.issues, raw, schema);
  problems.push(...combinations(raw));
  if (parsed.success && problems.length === 0) return parsed.data;
  const described = problems.map(({ path, message }) => {
    const place = origin(path);
    return `  ${keyName(path)}${place === undefined ? '' : ` (${place})`}: ${message}`;
  });
  const count = problems.length === 1 ? 'one key is wrong' : `${problems.length} keys are wrong`;
  throw inputError(`${title}: ${count}\n${described.join('\n')}`, REFERENCE);
}

/** `inputs.items.path`, `prompts.frameworks[1]` */
function keyName(path: KeyPath): string {
  return path.reduce<string>((name, part) => {
    if (typeof part === 'number') return `${name}[${part}]`;
    return name === '' ? part : `${name}.${part}`;
  }, '');
}

function readYaml(file: string): ParsedYaml {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const isText = (error as NodeJS.ErrnoException).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA';
    throw unreadable(
      isText
        ? error
        : inputError(`the configuration ${file} is not UTF-8 text`, 'Convert it to UTF-8.', error),
      `the configuration ${file}`,
      'Give the path of a YAML file with --config FILE.',
    );
  }
  return parseYaml(text, (reason, line, column) =>
    inputError(`${file}, line ${line}, column ${column}: not valid YAML: ${reason}`, REFERENCE),
  );
}

function flagOverrides(flags: Flags): Override[] {
  const { lake, partition, weights, mode, concurrency } = flags;
  const changes: Override[] = [];
  const add = (path: string[], value: unknown, source: string) => changes.push({ path, value, source });
  if (lake !== undefined) add(['lake'], lake === '' || isRemote(lake) ? lake : resolve(lake), '--lake');
  if (partition !== undefined) add(['partition'], partition, '--partition');
  if (weights !== undefined) add(['model', 'weights'], weights, '--weights');
  if (mode !== undefined) add(['decode', 'mode'], mode, '--mode');
  if (concurrency !== undefined) {
    const digits = typeof concurrency === 'string' && /^\d+$/.test(concurrency);
    add(['decode', 'concurrency'], digits ? Number(concurrency) : concurrency, '--concurrency');
  }
  return changes;
}

/** The option that set the key, if one did. */
function originOf(path: KeyPath, changes: readonly Override[]): string | undefined {
  const reaches = (change: Override) => change.path.every((part, depth) => part === path[depth]);
  return changes.findLast(reaches)?.source;
}

/** `line N` of the key, or of the nearest group around it that the file has. */
function lineOf(document: Document, lines: LineCounter, path: KeyPath): string | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === part);
      if (pair === undefined) break;
      offset = isScalar(pair.key) ? pair.key.range?.[0] : offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part];
      offset = isScalar(node) ? node.range?.[0] : offset;
    }
  }
  return offset === undefined ? undefined : `line ${lines.linePos(offset).line}`;
}
