import { cpus } from 'node:os';

/** What ran and when, for the line of JSON that a benchmark ends with. */
export function machine() {
  const processors = cpus();
  return {
    machine: `${processors.length} x ${processors[0]?.model.trim() ?? process.arch}`,
    date: new Date().toISOString().slice(0, 10),
  };
}
