/** A small disk of its own, for faults that only a disk can have. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finished } from '../cli/spawn.js';
import { limited } from './fixture.js';

const pageBytes = 4096;

export class Disk {
  private readonly filler: string;

  private constructor(
    readonly folder: string,
    /** False where mounting isn't permitted: then the folder is on another disk. */
    readonly mounted: boolean,
  ) {
    this.filler = join(folder, 'filler');
  }

  /** Mounts a tmpfs of 16 MiB at `folder`. Where that isn't permitted a `note:` line says what is done in its place. */
  static mount(folder: string): Disk {
    mkdirSync(folder);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder], { stdio: 'pipe' });
      return new Disk(folder, true);
    } catch {
      console.log('note: mounting is not permitted here: a file size limit stands for the full disk');
      return new Disk(folder, false);
    }
  }

  /** `dare` on a disk with `pages` pages of 4 KiB left, or with a limit of that size on each file. */
  async whenFull(
    pages: number,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<Finished> {
    if (!this.mounted) return await limited(args, { fileKiB: pages * (pageBytes / 1024), env });
    const { bavail, bsize } = statfsSync(this.folder);
    writeFileSync(this.filler, Buffer.alloc(bavail * bsize - pages * pageBytes));
    try {
      return await limited(args, { env });
    } finally {
      rmSync(this.filler);
    }
  }

  /** `dare` with the disk mounted for reading only. */
  async whenReadOnly(args: readonly string[]): Promise<Finished> {
    execFileSync('mount', ['-o', 'remount,ro', this.folder]);
    try {
      return await limited(args, {});
    } finally {
      execFileSync('mount', ['-o', 'remount,rw', this.folder]);
    }
  }

  unmount(): void {
    if (this.mounted) execFileSync('umount', [this.folder]);
  }
}
