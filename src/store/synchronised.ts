/** What of a working copy is known to be in the store: a small file beside the copy. */
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { inputError } from '../errors.js';
import { codeOf, fileError } from '../lake/file-error.js';
import { replaceFile } from '../lake/publish.js';

const entrySchema = z.object({
  /** Empty for an object that isn't there yet, as far as is known. */
  etag: z.string(),
  /** Size and time of the last change of the file, as they were then. */
  stamp: z.string(),
  /** Stamp of the content that was about to be written when the process ended. */
  sending: z.string().exactOptional(),
});
const fileSchema = z.object({
  format: z.literal(1),
  lake: z.string(),
  id: z.string(),
  objects: z.record(z.string(), entrySchema),
});
export type SynchronisedObject = z.output<typeof entrySchema>;

/** Key relative to the lake -> the object that was last brought or taken away, and the file that it is. */
export class Synchronised {
  private constructor(
    private readonly file: string,
    readonly lake: string,
    /** Tells this working copy from all others. */
    readonly id: string,
    readonly objects: Map<string, SynchronisedObject>,
  ) {}

  /**
   * @param lake URL of the lake
   * @throws inputError for a file that isn't whole, or is of another lake
   */
  static read(file: string, lake: string): Synchronised {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return new Synchronised(file, lake, randomUUID(), new Map());
      throw fileError(error, 'the list of what is synchronised could not be read', file);
    }
    const found = fileSchema.safeParse(jsonOf(text)).data;
    if (found === undefined) {
      throw inputError(
        `${file} does not say what is synchronised`,
        'Remove it: what is in the store is brought anew then.',
      );
    }
    if (found.lake !== lake) {
      throw inputError(
        `the working copy beside ${file} is one of ${found.lake}, not of ${lake}`,
        'Name another folder in storage.workingCopy, or remove this one.',
      );
    }
    return new Synchronised(file, lake, found.id, new Map(Object.entries(found.objects)));
  }

  /**
   * Finds out what became of objects that were being written when a process was killed: they name who wrote them.
   * @param written an object's ETag and writer, of a key; undefined where there is none
   */
  async settle(
    written: (key: string) => Promise<{ etag: string; writer?: string } | undefined>,
  ): Promise<void> {
    for (const [key, { etag, stamp, sending }] of this.objects) {
      if (sending === undefined) continue;
      const object = await written(key);
      if (object !== undefined && object.writer === this.writer(sending))
        this.objects.set(key, { etag: object.etag, stamp: sending });
      else if (etag === '') this.objects.delete(key);
      else this.objects.set(key, { etag, stamp });
    }
  }

  /** What an object says that has the content of this working copy's file when it had this stamp. */
  writer(stamp: string): string {
    return `${this.id}/${stamp}`;
  }

  /** @throws runError where it can't be written */
  async write(): Promise<void> {
    const { lake, id, objects } = this;
    const text = JSON.stringify({ format: 1, lake, id, objects: Object.fromEntries(objects) });
    await replaceFile(
      this.file,
      'the list of what is synchronised could not be written',
      (temporary: string) => writeFile(temporary, text),
    );
  }
}

/** Size and time of the last change of a file, undefined where there is none. */
export function stampOf(file: string): { stamp: string; size: number } | undefined {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  if (stats?.isFile() !== true) return undefined;
  return { stamp: `${stats.size}-${stats.mtimeNs}`, size: Number(stats.size) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
