import { rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inputError } from '../errors.js';
import { fileError } from './file-error.js';
import { listFolder, makeFolder, removeEmpty } from './folder.js';
import { removeStale } from './publish.js';

export { fileError } from './file-error.js';
export { listFolder, makeFolder, removeEmpty } from './folder.js';
export { discard, findStale, publishFile, removeStale, replaceFile, temporaryBeside } from './publish.js';

/** The tables of a lake, in the order of the data's way. `pools` holds Arrow IPC files, the others Parquet. */
export const tableNames = ['cohorts', 'prompts', 'pools', 'texts', 'features'] as const;
/** And what is written about them: no other table is made from it, and a lake is whole without it. */
export const allTableNames = [...tableNames, 'evaluation'] as const;
export type TableName = (typeof allTableNames)[number];

/** The manifest's file name, beside the data of every partition. */
export const manifestName = '_manifest.json';

/** The file name of a partition's report, beside its texts. */
export const reportName = '_report.html';

/**
 * Where the tables' files lie: `<root>/<table>/partition=<P>/<table>.parquet`, one fixed file a partition, so that
 * a reader sees the old table or the new one and never a mixture. Scratch lies under `<root>/_work`, which no
 * reader's glob over a table matches.
 */
export class Lake {
  readonly root: string;

  constructor(root: string) {
    if (root.trim() === '' || root.includes('\0')) {
      throw inputError(
        'the lake needs a folder, but its path is empty',
        'Set lake in the configuration, or --lake.',
      );
    }
    this.root = resolve(root);
  }

  /** The folder of a table's partition. It need not exist. */
  dir(table: TableName, partition: string): string {
    return join(this.root, table, `partition=${checked(partition)}`);
  }

  /** The one Parquet file of a table's partition that readers see. */
  file(table: TableName, partition: string): string {
    return join(this.dir(table, partition), `${table}.parquet`);
  }

  /** The report of a partition: beside its texts, under a name that readers of tables pass over. */
  report(partition: string): string {
    return join(this.dir('texts', partition), reportName);
  }

  /** Scratch of a table's partition (parts, spilled data): never seen by a reader, free to be removed. */
  work(table: TableName, partition: string): string {
    return join(this.root, '_work', table, `partition=${checked(partition)}`);
  }

  /**
   * What a table's partition is being made of, kept until it is published: finished rows, locks, shards. Beside the
   * tables, so that no reader's glob over one matches it.
   */
  unfinished(table: TableName, partition: string): string {
    return join(this.root, '_unfinished', table, `partition=${checked(partition)}`);
  }

  /** The generation of a table's partition before the published one: in files that no reader's glob matches. */
  earlier(table: TableName, partition: string): string {
    return join(this.root, '_earlier', table, `partition=${checked(partition)}`);
  }

  /** Partitions of a table that hold its file or a manifest, in code-unit order. */
  partitions(table: TableName): string[] {
    return listFolder(join(this.root, table))
      .filter((name) => name.startsWith('partition='))
      .map((name) => name.slice('partition='.length))
      .filter((name) => isName(name))
      .filter((name) => isFile(this.file(table, name)) || isFile(join(this.dir(table, name), manifestName)))
      .sort();
  }

  /** Partitions of a table before this one, by name: a rerun for last Tuesday must not see Wednesday's. */
  earlierPartitions(table: TableName, partition: string): string[] {
    return this.partitions(table).filter((name) => name < partition);
  }

  /**
   * Makes the folder of a table's partition, removes temporary files that a killed run left in it, and returns it.
   * @throws runError where the lake can't be written.
   */
  prepare(table: TableName, partition: string): string {
    const dir = this.dir(table, partition);
    makeFolder(dir);
    removeStale(dir);
    return dir;
  }

  /** Makes the scratch folder of a table's partition and returns it; `clear` empties it first. */
  prepareWork(table: TableName, partition: string, options: { clear?: boolean } = {}): string {
    const dir = this.work(table, partition);
    if (options.clear === true) this.clearWork(table, partition);
    makeFolder(dir);
    return dir;
  }

  /** Removes the scratch folder of a table's partition, and those above it that nobody else uses; fine when there is none. */
  clearWork(table: TableName, partition: string): void {
    const dir = this.work(table, partition);
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch (error) {
      throw fileError(error, 'the folder of temporary files could not be removed', dir);
    }
    removeEmpty(dir, this.root);
  }
}

function checked(partition: string): string {
  if (!isName(partition)) {
    throw inputError(
      `the partition ${JSON.stringify(partition)} can't be a folder's name`,
      'Use letters, digits, ".", "_" and "-", for example 2026-11-23.',
    );
  }
  return partition;
}

function isName(partition: string): boolean {
  return partition !== '' && partition !== '.' && partition !== '..' && !/[/\\\0]/.test(partition);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
