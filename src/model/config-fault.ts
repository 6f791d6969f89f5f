import type { z } from 'zod';

/** What is wrong with a config.json, in a sentence: the first key that is missing, or has another value than expected. */
export function configFault(file: string, json: unknown, { issues: [issue] }: z.ZodError): string {
  const path = issue?.path ?? [];
  const key = path.join('.');
  const found = path.reduce<unknown>((value, name) => (value as Record<PropertyKey, unknown>)?.[name], json);
  if (path.length > 0 && found === undefined) return `${file} lacks ${key}`;
  return `${file}: ${key}: ${issue?.message}`;
}
