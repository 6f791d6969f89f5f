/** `--set path.to.key=value`: the value is YAML, so that numbers, text and lists mean what they mean in the file. */
import { inputError } from '../errors.js';
import { show } from './describe.js';
import { resolvePaths } from './paths.js';
import { parseYaml } from './yaml.js';

export interface Override {
  path: string[];
  value: unknown;
  /** The option as the user wrote it, for messages. */
  source: string;
}

/** Reads one `path.to.key=value`; paths in the value become absolute from the working directory. */
export function parseOverride(assignment: string, directory: string): Override {
  const source = `--set ${assignment}`;
  const at = assignment.indexOf('=');
  const path = assignment.slice(0, Math.max(at, 0)).split('.');
  if (at < 0 || !path.every((part) => /^[A-Za-z][A-Za-z0-9_]*$/.test(part))) {
    throw inputError(
      `${source}: expected path.to.key=value`,
      'For example --set decode.nodes=8 or --set prompts.frameworks=[kar,once]',
    );
  }
  const { value } = parseYaml(assignment.slice(at + 1), (reason) =>
    inputError(
      `${source}: the value is not valid YAML: ${reason}`,
      `Put text with special characters in quotes: --set '${path.join('.')}="..."'`,
    ),
  );
  const nested = nest(path, value);
  resolvePaths(nested, directory);
  return { path, value: unnest(path, nested), source };
}

/** Puts the value into `raw`, making the groups on the way. */
export function applyOverride(raw: Record<string, unknown>, { path, value, source }: Override): void {
  let group = raw;
  for (const [depth, part] of path.slice(0, -1).entries()) {
    const inner = Object.hasOwn(group, part) ? (group[part] ?? {}) : {};
    if (typeof inner !== 'object' || Array.isArray(inner)) {
      const key = path.slice(0, depth + 1).join('.');
      throw inputError(`${source}: ${key} is ${show(inner)}, not a group of keys`, `Set ${key} as a whole.`);
    }
    group[part] = inner;
    group = inner as Record<string, unknown>;
  }
  group[path.at(-1) ?? ''] = value;
}

function nest(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner: unknown, part) => ({ [part]: inner }), value);
}

function unnest(path: readonly string[], nested: unknown): unknown {
  return path.reduce((outer: unknown, part) => (outer as Record<string, unknown>)[part], nested);
}
