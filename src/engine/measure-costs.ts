/** Measures an engine's cost table: steps of made-up trees behind a made-up prompt, timed on the engine itself. */
import {
  type CostTable,
  draftOnCpu,
  hostOnCpu,
  makeMonotone,
  stepMilliseconds,
  usualHost,
} from './cost-table.js';
import type { Engine, StepInput } from './engine.js';
import { settle } from './spikes.js';

/** Milliseconds of steps within which passes over the points are repeated; the first may take longer. */
const enough = 1500;
/** How many times as long that may take where other programs are in the way. */
const patience = 3;
/** The shortest of a point's times counts: whatever else the machine does can only add to it. */
const mostPasses = 10;
/**
 * Times a step is timed in a pass: more often below `short` milliseconds, where it costs nothing and noise is large beside it;
 * once above `long`, beside which a first step's kernels and memory don't count.
 */
const repeats = { least: 2, most: 6, short: 5, long: 1000 };
/**
 * A step that takes so many times what one of single rows takes can't be paid by its drafts. What would take that long, in
 * proportion to the step before, isn't measured, so that there is time to measure the others more often; nor is what comes
 * behind a step of so many milliseconds. The first few points are measured in any case.
 */
const beyond = { times: 8, milliseconds: 300, points: 4 };
/** Milliseconds within which a GPU's clock rises once it has work (H200: a step takes 1.5 ms then, 3.6 before). */
const clockRises = 1000;
/** Milliseconds of the steps of single texts, together, above which every second batch size is left out: large models take seconds. */
const slow = 60;

/**
 * Times steps of batches in powers of two up to the slots, with rows in powers of two up to `engine.usualRows`: a second for
 * a small model, one pass over fewer points for a large one. Times that stand out from their neighbours are measured again.
 * All slots must be free, and are so again afterwards. Rejects
 * as the engine's steps do.
 * @param onOwnThreads whether steps are computed by this process's threads, and by nothing else
 */
export async function measureCosts(engine: Engine, onOwnThreads: boolean): Promise<CostTable> {
  const timer = onOwnThreads ? threadTime : modelTime;
  const watch = stopwatch(onOwnThreads);
  const most = Math.max(1, Math.min(engine.usualRows, Math.floor(engine.context / 2)));
  const rows = powersUpTo(most);
  let batch = powersUpTo(engine.slots);
  if (engine.freesProcessor === true) await warmUp(engine, rows);
  const shortest = new Map<number, number[]>();
  let uneven = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < mostPasses; pass++) {
    for (const sequences of batch) {
      let times = await timeBatch(engine, timer, sequences, rows);
      if (pass === 0 && sequences === 1 && sum(times) > slow) {
        // the first steps of all compile kernels and find memory: a GPU's may be slow once and never again
        times = minima(times, await timeBatch(engine, timer, sequences, rows));
        if (sum(times) > slow) batch = everySecond(batch);
      }
      shortest.set(sequences, minima(shortest.get(sequences) ?? [], times));
    }
    if (engine.packsTrees !== true) uneven = Math.min(uneven, await timeUneven(engine, timer, rows));
    const { passed, worked } = watch();
    const afterNext = (pass + 2) / (pass + 1);
    if (worked * afterNext > enough || passed * afterNext > patience * enough) break;
  }
  const settling = stopwatch(onOwnThreads);
  const settled = await settle(
    batch,
    rows,
    batch.map((sequences) => shortest.get(sequences) as number[]),
    (b, places) => timeAgain(engine, timer, batch[b] as number, rows, places),
    // passes that took longer than they should leave no time for it: a large model, or an emulated GPU
    () => watch().passed < patience * enough && settling().worked < enough / 3 && settling().passed < enough,
  );
  const measured = settled.map((line) => prolong(line, rows));
  const table = { batch, rows, milliseconds: makeMonotone(measured) };
  const padding = engine.packsTrees === true ? 0 : paddingOf(table, engine.slots, uneven);
  return {
    ...table,
    padding,
    ...(onOwnThreads ? { host: hostOnCpu, draft: draftOnCpu } : { host: usualHost }),
  };
}

/** Has the device compute until its clock has risen: else rows that are timed later seem to cost less. */
function warmUp(engine: Engine, rows: readonly number[]): Promise<void> {
  return withSequences(engine, 1, rows, async () => {
    const until = performance.now() + clockRises;
    do await engine.step(stepOf([1]), 2);
    while (performance.now() < until);
  });
}

/** What a place that stays empty takes, from the time of a step of one long draft and otherwise single rows. */
function paddingOf(table: CostTable, sequences: number, uneven: number): number {
  const longest = longRows(table.rows);
  const taken = longest + sequences - 1;
  const empty = sequences * longest - taken;
  if (empty === 0) return 0;
  // a place that stays empty takes no longer than a row: what was measured beyond that is other programs'
  const full = stepMilliseconds(table, sequences, longest);
  return Math.max(0, Math.min(uneven, full) - stepMilliseconds(table, sequences, taken / sequences)) / empty;
}

/** Milliseconds of a step of so many sequences by their rows, as far as it can be worth its time. */
function timeBatch(
  engine: Engine,
  timer: StepTimer,
  sequences: number,
  rows: readonly number[],
): Promise<number[]> {
  return withSequences(engine, sequences, rows, async () => {
    const times: number[] = [];
    for (const [place, count] of rows.entries()) {
      const [single = 0] = times;
      const last = times.at(-1) ?? 0;
      const inProportion = (last * count) / (rows[place - 1] ?? count);
      const tooLong = inProportion > beyond.times * single || last > beyond.milliseconds;
      if (place >= beyond.points && tooLong) break;
      times.push(await timeStep(engine, timer, stepOf(new Array(sequences).fill(count))));
    }
    return times;
  });
}

/** Milliseconds of some of these steps once more. @param places of the numbers of rows */
function timeAgain(
  engine: Engine,
  timer: StepTimer,
  sequences: number,
  rows: readonly number[],
  places: readonly number[],
): Promise<number[]> {
  return withSequences(engine, sequences, rows, async () => {
    const times: number[] = [];
    for (const place of places)
      times.push(await timeStep(engine, timer, stepOf(new Array(sequences).fill(rows[place]))));
    return times;
  });
}

/** Milliseconds of a step of all slots, one of which has many rows. */
function timeUneven(engine: Engine, timer: StepTimer, rows: readonly number[]): Promise<number> {
  const { slots } = engine;
  const counts = Array.from({ length: slots }, (_, slot) => (slot === 0 ? longRows(rows) : 1));
  return withSequences(engine, slots, rows, () => timeStep(engine, timer, stepOf(counts)));
}

/** As many rows as a long draft has, where there may be so many. */
function longRows(rows: readonly number[]): number {
  return Math.min(16, rows.at(-1) as number);
}

/** Fills so many slots, and frees them afterwards. */
async function withSequences<T>(
  engine: Engine,
  sequences: number,
  rows: readonly number[],
  work: () => Promise<T>,
): Promise<T> {
  const columns = Math.min(engine.usualColumns, engine.context - (rows.at(-1) as number));
  // the sequences are the same, so that one prompt is computed for all
  const prompt = Int32Array.from({ length: columns }, idAt);
  let admitted = 0;
  try {
    for (; admitted < sequences; admitted++) await engine.admit(admitted, prompt);
    return await work();
  } finally {
    for (let slot = 0; slot < admitted; slot++) engine.release(slot);
  }
}

/** The shortest of several times: the first step of a shape may compile kernels or find memory. */
async function timeStep(engine: Engine, timer: StepTimer, inputs: readonly StepInput[]): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < repeats.most; repeat++) {
    shortest = Math.min(shortest, await timer(engine, inputs));
    if (repeat + 1 >= repeats.least && shortest > repeats.short) break;
    if (shortest > repeats.long) break;
  }
  return shortest;
}

/** Runs a step and gives its milliseconds. */
type StepTimer = (engine: Engine, inputs: readonly StepInput[]) => Promise<number>;

async function modelTime(engine: Engine, inputs: readonly StepInput[]): Promise<number> {
  const before = engine.modelTime.steps;
  await engine.step(inputs, 2);
  return engine.modelTime.steps - before;
}

/**
 * A step that took longer than all threads together were at work has waited for other programs. They interrupt long steps
 * more often than short ones, so that rows would seem to cost several times what they do, for as long as the table is kept.
 */
async function threadTime(engine: Engine, inputs: readonly StepInput[]): Promise<number> {
  const watch = stopwatch(true);
  const passed = await modelTime(engine, inputs);
  return Math.min(passed, watch().worked);
}

/** Milliseconds since it was made, and those of them in which this process was at work. */
function stopwatch(onOwnThreads: boolean): () => { passed: number; worked: number } {
  const started = performance.now();
  const before = process.cpuUsage();
  return () => {
    const passed = performance.now() - started;
    if (!onOwnThreads) return { passed, worked: passed };
    const { user, system } = process.cpuUsage(before);
    return { passed, worked: Math.min(passed, (user + system) / 1000) };
  };
}

/** Lines of so many rows by sequence: every engine takes them. */
function stepOf(counts: readonly number[]): StepInput[] {
  return counts.map((count, slot) => {
    const tokens = Int32Array.from({ length: count }, idAt);
    return { slot, tree: { tokens, parents: Int32Array.from(tokens, (_, row) => row - 1) } };
  });
}

/** Ids that every vocabulary has. */
function idAt(_: unknown, at: number): number {
  return at % 2;
}

/** 1, 2, 4, ... and `most` itself. */
function powersUpTo(most: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power < most; power *= 2) powers.push(power);
  return [...powers, most];
}

/** The first, the last, and every second between them. */
function everySecond(values: readonly number[]): number[] {
  return values.filter((_, at) => at % 2 === 0 || at === values.length - 1);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The smaller of two times at each place; where only one was measured, that. */
export function minima(a: readonly number[], b: readonly number[]): number[] {
  const longer = a.length > b.length ? a : b;
  return longer.map((value, at) => Math.min(value, a[at] ?? value, b[at] ?? value));
}

/** Times for all `rows`, those that weren't measured in line with the last two that were. */
export function prolong(times: readonly number[], rows: readonly number[]): number[] {
  const known = times.length - 1;
  const last = times[known] as number;
  const before = times[known - 1] ?? last;
  const length = (rows[known] as number) - (rows[known - 1] ?? 0);
  const slope = Math.max(0, last - before) / length;
  return rows.map((count, at) => times[at] ?? last + slope * (count - (rows[known] as number)));
}
