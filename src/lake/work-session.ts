import type { StageContext } from '../stage.js';
import { Duck } from './duck.js';
import type { TableName } from './lake.js';

/** Milliseconds between two interrupts. */
const INTERRUPT_INTERVAL = 50;

/**
 * Runs `work` with a DuckDB session that spills into the work folder of a table's partition. An abort of the signal
 * interrupts the running query, and every one after it. Whatever happens, the session is closed and the work folder
 * removed.
 * @throws `signal.reason` where the signal was aborted and `work` failed, or had not begun
 */
export async function withWorkSession<Result>(
  { lake, partition, signal }: Pick<StageContext, 'lake' | 'partition' | 'signal'>,
  table: TableName,
  work: (duck: Duck) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const tempDirectory = lake.prepareWork(table, partition, { clear: true });
  let duck: Duck | undefined;
  let interrupting: NodeJS.Timeout | undefined;
  // DuckDB forgets an interrupt that finds no running query, between two statements for one: so it is repeated.
  const interrupt = () => {
    interrupting ??= setInterval(interrupt, INTERRUPT_INTERVAL);
    duck?.connection.interrupt();
  };
  signal.addEventListener('abort', interrupt);
  try {
    duck = await Duck.open({ tempDirectory });
    signal.throwIfAborted();
    return await work(duck);
  } catch (error) {
    // An interrupted query fails with DuckDB's own error: what the user did is the truer reason.
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', interrupt);
    clearInterval(interrupting);
    duck?.close();
    lake.clearWork(table, partition);
  }
}
