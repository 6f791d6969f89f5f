/** zod's issues in our words: the key, what is wrong, what was expected, a suggestion. */
import { z } from 'zod';
import { didYouMean, nearest } from './suggest.js';

export type KeyPath = readonly (string | number)[];

export interface Problem {
  path: KeyPath;
  /** What is wrong and what was expected, without the key. */
  message: string;
}

/** One problem per wrong key, in the order of the schema. `raw` is what was validated, for showing values. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], raw: unknown, schema: z.ZodType): Problem[] {
  const problems: Problem[] = [];
  for (const issue of issues) {
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys)
        problems.push({ path: [...path, key], message: unknownKey(key, path, schema) });
    } else if (issue.code === 'invalid_key') {
      const rule = issue.issues[0]?.message ?? 'another name';
      problems.push({ path, message: `this key can't be used; expected ${rule}` });
    } else {
      problems.push({ path, message: wrongValue(issue, valueAt(raw, path)) });
    }
  }
  // A value can break several rules of one leaf (not whole, too small): its message is the same for all.
  const seen = new Set<string>();
  return problems.filter(({ path }) => {
    const key = path.join('.');
    return !seen.has(key) && seen.add(key);
  });
}

/** A value as a reader of YAML knows it. */
export function show(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a group of keys';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
}

export function valueAt(root: unknown, path: KeyPath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

function unknownKey(key: string, parent: KeyPath, schema: z.ZodType): string {
  const allowed = Object.keys(shapeAt(schema, parent) ?? {});
  const elsewhere = pathsOf(schema)
    .filter((path) => path.at(-1) === key)
    .map((path) => path.join('.'));
  const near = nearest(key, allowed) ?? elsewhere[0];
  const question = near === undefined ? '' : `did you mean ${near}? `;
  return `unknown key; ${question}allowed here: ${allowed.join(', ')}`;
}

function wrongValue(issue: z.core.$ZodIssue, value: unknown): string {
  const expected = `expected ${issue.message}`;
  if (value === undefined) return `missing; ${expected}`;
  if (value === null) return `has no value; ${expected}, or leave the key out for its default`;
  return `is ${show(value)}; ${expected}${advice(issue, value)}`;
}

/** Quotes decide between text and number in YAML, brackets between one and several: the usual slips. */
function advice(issue: z.core.$ZodIssue, value: unknown): string {
  const wantsNumber =
    issue.code === 'invalid_union' ||
    (issue.code === 'invalid_type' && /^(number|int)$/.test(issue.expected));
  if (typeof value === 'string') {
    if (issue.code === 'invalid_value') return didYouMean(value, issue.values.map(String));
    if (wantsNumber && value.trim() !== '' && Number.isFinite(Number(value))) {
      return `; write ${value.trim()} without quotes`;
    }
    if (issue.code === 'invalid_union') return didYouMean(value, ['auto']);
    if (issue.code === 'invalid_type' && issue.expected === 'array') return `; write [${value}]`;
  } else if (typeof value !== 'object' && issue.code === 'invalid_type' && issue.expected === 'string') {
    return `; write "${String(value)}" in quotes`;
  }
  return '';
}

/** The keys of the group at a path of the schema. */
function shapeAt(schema: z.ZodType, path: KeyPath): z.ZodRawShape | undefined {
  let shape = shapeOf(schema);
  for (const part of path) {
    const next = shape?.[part];
    shape = next === undefined ? undefined : shapeOf(next);
  }
  return shape;
}

function shapeOf(schema: z.core.$ZodType): z.ZodRawShape | undefined {
  let inner = schema;
  while (
    inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodExactOptional
  ) {
    inner = inner.unwrap();
  }
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

/** The paths of all keys that the schema names. */
export function pathsOf(schema: z.core.$ZodType): string[][] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([key, inner]) => [
    [key],
    ...pathsOf(inner).map((path) => [key, ...path]),
  ]);
}
