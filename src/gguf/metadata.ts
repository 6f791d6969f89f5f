import { inputError } from '../errors.js';
import type { MetadataValue } from './header.js';

const largestSize = 10_000_000;

/** The metadata of a GGUF file by their types. Values that are there but of another type throw inputError. */
export class Metadata {
  constructor(
    private readonly values: ReadonlyMap<string, MetadataValue>,
    private readonly file: string,
  ) {}

  text(key: string): string | undefined {
    return this.as(key, 'a text', (value) => typeof value === 'string');
  }

  number(key: string): number | undefined {
    return this.as(key, 'a number', (value) => typeof value === 'number' && Number.isFinite(value));
  }

  flag(key: string): boolean | undefined {
    return this.as(key, 'true or false', (value) => typeof value === 'boolean');
  }

  texts(key: string): readonly string[] | undefined {
    return this.as(
      key,
      'a list of texts',
      (value) => Array.isArray(value) && value.every((element) => typeof element === 'string'),
    );
  }

  numbers(key: string): readonly number[] | undefined {
    return this.as(
      key,
      'a list of numbers',
      (value) => Array.isArray(value) && value.every((element) => typeof element === 'number'),
    );
  }

  /** A number of things: at least 1, and no more than any model has. */
  size(key: string): number | undefined {
    return this.as(
      key,
      `a whole number from 1 to ${largestSize}`,
      (value) => Number.isInteger(value) && Number(value) > 0 && Number(value) <= largestSize,
    );
  }

  /** `value`, which was read from `key`. Throws inputError when it isn't there. */
  required<Value>(value: Value | undefined, key: string): Value {
    if (value !== undefined) return value;
    throw inputError(`${this.file} lacks ${key} in its metadata`, 'Convert the model again with llama.cpp.');
  }

  private as<Value extends MetadataValue>(
    key: string,
    expected: string,
    fits: (value: MetadataValue) => boolean,
  ): Value | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (fits(value)) return value as Value;
    const found = Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value);
    throw inputError(`${this.file}: ${key} is ${found}, expected ${expected}`);
  }
}
