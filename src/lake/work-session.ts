import type { StageContext } from '../stage.js';
import { Duck } from './duck.js';
import { interruptOnAbort } from './interrupt.js';
import type { TableName } from './lake.js';

/** What a session needs of a stage's context. */
export interface WorkContext extends Pick<StageContext, 'lake' | 'partition' | 'signal'> {
  config: Pick<StageContext['config'], 'memoryLimit'>;
}

/**
 * Runs `work` with a DuckDB session that spills into the work folder of a table's partition. An abort of the signal
 * interrupts the running query, and every one after it. Whatever happens, the session is closed and the work folder
 * removed.
 * @throws `signal.reason` where the signal was aborted and `work` failed, or had not begun
 */
export async function withWorkSession<Result>(
  { config, lake, partition, signal }: WorkContext,
  table: TableName,
  work: (duck: Duck) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const tempDirectory = lake.prepareWork(table, partition, { clear: true });
  let duck: Duck | undefined;
  let listening: (() => void) | undefined;
  try {
    const { memoryLimit } = config;
    duck = await Duck.open({ tempDirectory, ...(memoryLimit === undefined ? {} : { memoryLimit }) });
    listening = interruptOnAbort(duck, signal);
    signal.throwIfAborted();
    return await work(duck);
  } catch (error) {
    // An interrupted query fails with DuckDB's own error: what the user did is the truer reason.
    signal.throwIfAborted();
    throw error;
  } finally {
    listening?.();
    duck?.close();
    lake.clearWork(table, partition);
  }
}
