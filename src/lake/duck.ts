import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBMaterializedResult,
  type DuckDBType,
  type DuckDBValue,
  LIST,
  VARCHAR,
  version,
} from 'duckdb';
import { packageRoot } from '../paths.js';

export interface DuckOptions {
  /** Worker threads; DuckDB's own choice when left out. */
  threads?: number;
  /** For example '2GB'; beyond it DuckDB spills to `tempDirectory`. */
  memoryLimit?: string;
  tempDirectory?: string;
}

/** Values of the `$name` parameters in a query. Lists need `types` (empty ones can't be inferred). */
export type Params = Record<string, DuckDBValue>;

export interface ScriptOptions {
  params?: Params;
  types?: Record<string, DuckDBType>;
  /** Names for the `{{name}}` placeholders: quoted as identifiers, never pasted as they are. */
  identifiers?: Record<string, string>;
}

/** The version of DuckDB itself, such as v1.5.0. */
export const duckVersion: () => string = version;

/** Type of the parameter `$files`: a list of paths. */
export const listOfFiles = { files: LIST(VARCHAR) };

/** One DuckDB database in memory with one connection. Statements run one after the other. */
export class Duck {
  private constructor(
    private readonly instance: DuckDBInstance,
    readonly connection: DuckDBConnection,
  ) {}

  /** What DuckDB is built with (Parquet, JSON, time zones) is there, and extensions are neither loaded nor downloaded. */
  static async open(options: DuckOptions = {}): Promise<Duck> {
    // a function or path that needs an extension is an error then, and nothing is asked of the network for it
    const settings: Record<string, string> = {
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    };
    if (options.threads !== undefined) settings.threads = String(options.threads);
    if (options.memoryLimit !== undefined) settings.memory_limit = options.memoryLimit;
    if (options.tempDirectory !== undefined) settings.temp_directory = options.tempDirectory;
    const instance = await DuckDBInstance.create(':memory:', settings);
    return new Duck(instance, await instance.connect());
  }

  /** Runs one statement with bound parameters. The whole result is in memory: page large ones. */
  run(
    sql: string,
    params: Params = {},
    types?: Record<string, DuckDBType>,
  ): Promise<DuckDBMaterializedResult> {
    return this.connection.run(sql, params, types);
  }

  /** Rows of one statement as objects with JavaScript values (BIGINT as bigint, LIST as array). */
  async rows(
    sql: string,
    params: Params = {},
    types?: Record<string, DuckDBType>,
  ): Promise<Record<string, unknown>[]> {
    const result = await this.run(sql, params, types);
    return (await result.getRowObjectsJS()) as Record<string, unknown>[];
  }

  /**
   * Runs `sql/<name>.sql`, statement by statement, and returns the last result.
   * Each statement gets those of the parameters that it names.
   */
  async script(name: string, options: ScriptOptions = {}): Promise<DuckDBMaterializedResult> {
    const extracted = await this.connection.extractStatements(sqlText(name, options.identifiers ?? {}));
    let last: DuckDBMaterializedResult | undefined;
    for (let index = 0; index < extracted.count; index++) {
      const statement = await extracted.prepare(index);
      try {
        const values: Params = {};
        for (let p = 1; p <= statement.parameterCount; p++) {
          const parameter = statement.parameterName(p);
          const value = options.params?.[parameter];
          if (value === undefined) throw new Error(`sql/${name}.sql: no value given for $${parameter}`);
          values[parameter] = value;
        }
        if (statement.parameterCount > 0) statement.bind(values, options.types);
        last = await statement.run();
      } finally {
        statement.destroySync();
      }
    }
    if (last === undefined) throw new Error(`sql/${name}.sql holds no statement`);
    return last;
  }

  /** Rows of the last statement of `sql/<name>.sql`. */
  async scriptRows(name: string, options: ScriptOptions = {}): Promise<Record<string, unknown>[]> {
    return (await (await this.script(name, options)).getRowObjectsJS()) as Record<string, unknown>[];
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}

/** `name` as a quoted SQL identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function sqlText(name: string, identifiers: Record<string, string>): string {
  const text = readFileSync(join(packageRoot, 'sql', `${name}.sql`), 'utf8');
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, placeholder: string) => {
    const value = identifiers[placeholder];
    if (value === undefined) throw new Error(`sql/${name}.sql: no identifier given for {{${placeholder}}}`);
    return quoteIdentifier(value);
  });
}
