/**
 * Loaded before the command line (`node --import`): once, when a shard has finished its first texts, it sends SIGKILL (or
 * KILL_SIGNAL) to the process or to the one that started it. `killing` makes the command.
 */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { KILL_SHARD, KILL_WHO, KILL_KEPT = '', KILL_MARKER = '', KILL_SIGNAL = 'SIGKILL' } = process.env;

if (KILL_SHARD !== undefined && process.argv.includes(KILL_SHARD) && !existsSync(KILL_MARKER)) {
  const looking = setInterval(() => {
    if (!hasRows()) return;
    writeFileSync(KILL_MARKER, '');
    process.kill(KILL_WHO === 'parent' ? process.ppid : process.pid, KILL_SIGNAL);
    clearInterval(looking);
  }, 2);
  looking.unref();
}

/** Whether the shard's log of finished rows has some. */
function hasRows(): boolean {
  if (!existsSync(KILL_KEPT)) return false;
  return readdirSync(KILL_KEPT).some(
    (name) => name.startsWith('rows-') && statSync(join(KILL_KEPT, name)).size > 0,
  );
}
