/**
 * Memory that a drafting thread shares with the thread that decodes: a queue of commands, one writer and one reader, and a
 * place for the last draft of each sequence. Messages of worker threads would cost more than a draft takes.
 */
import { runError } from '../errors.js';
import type { DraftBudget } from './drafter.js';

/** What a drafting thread is told; numbers behind it in the queue: */
export const commands = {
  /** sequence, cohort pool, shared pool (-1: none) */
  begin: 1,
  /** sequence, count, tokens */
  append: 2,
  /** sequence, last token, nodes, depth, line (0 or 1), relaxed (0 or 1), minPathProbability (two halves of a float64) */
  draft: 3,
  /** the next message of the thread's port has the pools from here on */
  pools: 4,
} as const;

/** Draft nodes of a sequence at most: what the configuration allows. */
export const mostNodes = 256;
/** Numbers of the queue: a power of two, and many times the longest command. */
const queueSize = 1 << 16;

/** Numbers of `control`. */
const written = 0;
const read = 1;
const drafted = 2;
const failed = 3;
/** What the drafting thread does, one of `sleeps`. */
const sleep = 4;
const controls = 5;

/**
 * To wake a thread takes a call of the system, as long as a small draft, and the thread is at work only 50 us later: it is woken
 * once when it is told that there will be commands, and once when there is one. The second counts: the first may come before
 * the thread sleeps, but what is written then keeps it from sleeping.
 */
const sleeps = { awake: 0, asleep: 1, roused: 2 } as const;

/** A draft: rows and the longest context in a pool; then tokens, parents, and the contexts' lengths of each row. */
const rowsOfPlace = mostNodes + 1;
const numbersOfPlace = 2 + 5 * rowsOfPlace;

/**
 * How long a side looks for what it waits for before it sleeps, in milliseconds. To be woken takes as long as several drafts
 * (50 us of both sides on a virtual machine), and the other side answers within about that time.
 */
const attentive = 0.2;
/** Looks between two at the clock. */
const looks = 64;

/** How long a thread may be silent that has work, in milliseconds: far beyond any draft. */
const patience = 60_000;
const errorBytes = 4096;

export class Mailbox {
  private readonly control: Int32Array;
  private readonly queue: Int32Array;
  private readonly places: Int32Array;
  private readonly chances: Float64Array;
  private readonly error: Uint8Array;
  /** Position of the side that this object is: the writer's or the reader's, modulo 2^32. */
  private at = 0;
  /** Threads that the reader wakes when it is woken. */
  private followers: readonly Mailbox[] = [];
  /** Requests that the writer made. */
  private requested = 0;
  private readonly double = new Float64Array(1);
  private readonly halves = new Int32Array(this.double.buffer);

  private constructor(readonly memory: SharedArrayBuffer) {
    const head = controls;
    const sequences = sequencesIn(memory);
    const floats = sequences * mostNodes;
    this.chances = new Float64Array(memory, 0, floats);
    this.control = new Int32Array(memory, floats * 8, head);
    this.queue = new Int32Array(memory, floats * 8 + head * 4, queueSize);
    this.places = new Int32Array(memory, floats * 8 + (head + queueSize) * 4, sequences * numbersOfPlace);
    this.error = new Uint8Array(memory, memory.byteLength - errorBytes, errorBytes);
  }

  /** Memory for so many sequences. */
  static create(sequences: number): Mailbox {
    return new Mailbox(new SharedArrayBuffer(sequences * bytesOfSequence + bytesBeside));
  }

  /** The same memory on the thread's side. */
  static of(memory: SharedArrayBuffer, followers: readonly SharedArrayBuffer[] = []): Mailbox {
    const mailbox = new Mailbox(memory);
    mailbox.followers = followers.map((other) => new Mailbox(other));
    return mailbox;
  }

  // the decoding thread's side

  /** Hands over a command. Waits while the queue is full. @throws runError when the thread failed */
  write(...numbers: number[]): void {
    this.makeRoom(numbers.length);
    for (const number of numbers) this.put(number);
    this.publish();
  }

  /** Hands over the first `count` tokens, for a sequence. */
  writeTokens(sequence: number, tokens: Int32Array, count: number): void {
    this.makeRoom(count + 3);
    this.put(commands.append);
    this.put(sequence);
    this.put(count);
    for (let i = 0; i < count; i++) this.put(tokens[i] as number);
    this.publish();
  }

  /** Asks for a draft. */
  request(sequence: number, last: number, budget: DraftBudget): void {
    const { nodes, depth, line, relaxed, minPathProbability } = budget;
    this.double[0] = minPathProbability;
    const [low, high] = [this.halves[0] as number, this.halves[1] as number];
    this.requested = (this.requested + 1) | 0;
    this.write(commands.draft, sequence, last, nodes, depth, line ? 1 : 0, relaxed ? 1 : 0, low, high);
  }

  /** Wakes the thread where it sleeps: there will be commands. */
  rouse(): void {
    if (Atomics.compareExchange(this.control, sleep, sleeps.asleep, sleeps.roused) === sleeps.asleep)
      Atomics.notify(this.control, written);
  }

  /** Returns once all requests are drafted. @throws runError when the thread failed, or is silent */
  finish(): void {
    const isDone = () => Atomics.load(this.control, drafted) === this.requested;
    while (!seenSoon(isDone)) {
      const done = Atomics.load(this.control, drafted);
      this.check();
      if (done === this.requested) return;
      if (Atomics.wait(this.control, drafted, done, patience) === 'timed-out') throw silent();
    }
  }

  /** The last draft of a sequence; copies. */
  draftOf(sequence: number) {
    const start = sequence * numbersOfPlace;
    const rows = this.places[start] as number;
    const from = start + 2;
    const column = (index: number, count = rows) =>
      this.places.slice(from + index * rowsOfPlace, from + index * rowsOfPlace + count);
    return {
      rows: { tokens: column(0), parents: column(1) },
      gains: this.chances.slice(sequence * mostNodes, sequence * mostNodes + rows - 1),
      matched: this.places[start + 1] as number,
    };
  }

  /** How many tokens before a row of the last draft each source knows. */
  contextsOf(sequence: number, row: number): { cohort: number; shared: number; own: number } {
    const length = (source: number) =>
      this.places[sequence * numbersOfPlace + 2 + (2 + source) * rowsOfPlace + row] as number;
    return { cohort: length(0), shared: length(1), own: length(2) };
  }

  // the drafting thread's side

  /** The next number of the queue; waits for it. */
  next(): number {
    const isWritten = () => Atomics.load(this.control, written) !== (this.at | 0);
    while (!isWritten()) {
      // nothing is left to do: whoever waits for drafts or for room has them
      Atomics.notify(this.control, drafted);
      Atomics.notify(this.control, read);
      if (seenSoon(isWritten)) break;
      // whoever writes now either sees the flag or has written before the wait, which returns at once then
      Atomics.store(this.control, sleep, sleeps.asleep);
      Atomics.wait(this.control, written, this.at | 0);
      Atomics.store(this.control, sleep, sleeps.awake);
      for (const follower of this.followers) follower.rouse();
    }
    return this.queue[this.at++ & (queueSize - 1)] as number;
  }

  nextDouble(): number {
    this.halves[0] = this.next();
    this.halves[1] = this.next();
    return this.double[0] as number;
  }

  /** What was read can be written over. */
  free(): void {
    this.at |= 0;
    Atomics.store(this.control, read, this.at);
  }

  /** Leaves a draft for the other side. */
  leave(
    sequence: number,
    draft: { rows: { tokens: Int32Array; parents: Int32Array }; gains: Float64Array; matched: number },
    contextsOf: (row: number) => { cohort: number; shared: number; own: number },
  ): void {
    const { tokens, parents } = draft.rows;
    const start = sequence * numbersOfPlace;
    const from = start + 2;
    this.places[start] = tokens.length;
    this.places[start + 1] = draft.matched;
    this.places.set(tokens, from);
    this.places.set(parents, from + rowsOfPlace);
    for (let row = 0; row < tokens.length; row++) {
      const { cohort, shared, own } = contextsOf(row);
      this.places[from + 2 * rowsOfPlace + row] = cohort;
      this.places[from + 3 * rowsOfPlace + row] = shared;
      this.places[from + 4 * rowsOfPlace + row] = own;
    }
    this.chances.set(draft.gains, sequence * mostNodes);
    Atomics.add(this.control, drafted, 1);
  }

  /** The thread can't go on. */
  fail(message: string): void {
    const bytes = new TextEncoder().encode(message).slice(0, errorBytes);
    this.error.set(bytes);
    Atomics.store(this.control, failed, 1 + bytes.length);
    Atomics.notify(this.control, drafted);
    Atomics.notify(this.control, read);
  }

  /** @throws runError with what `fail` was told */
  private check(): void {
    const state = Atomics.load(this.control, failed);
    if (state === 0) return;
    const message = new TextDecoder().decode(this.error.slice(0, state - 1));
    throw runError(`A drafting thread failed: ${message}`);
  }

  private makeRoom(numbers: number): void {
    for (;;) {
      const done = Atomics.load(this.control, read);
      this.check();
      if (((this.at - done) | 0) + numbers <= queueSize) return;
      if (Atomics.wait(this.control, read, done, patience) === 'timed-out') throw silent();
    }
  }

  private put(number: number): void {
    this.queue[this.at++ & (queueSize - 1)] = number;
  }

  private publish(): void {
    this.at |= 0;
    Atomics.store(this.control, written, this.at);
    // a load costs less than an exchange, and mostly the thread is awake
    if (Atomics.load(this.control, sleep) === sleeps.awake) return;
    if (Atomics.exchange(this.control, sleep, sleeps.awake) !== sleeps.awake)
      Atomics.notify(this.control, written);
  }
}

const bytesOfSequence = mostNodes * 8 + numbersOfPlace * 4;
const bytesBeside = (controls + queueSize) * 4 + errorBytes;

function sequencesIn(memory: SharedArrayBuffer): number {
  return (memory.byteLength - bytesBeside) / bytesOfSequence;
}

/** Looks for a while whether something comes. */
function seenSoon(isThere: () => boolean): boolean {
  const until = performance.now() + attentive;
  do {
    for (let i = 0; i < looks; i++) if (isThere()) return true;
  } while (performance.now() < until);
  return false;
}

function silent() {
  return runError(
    `A drafting thread was silent for ${patience / 1000} seconds`,
    'Run again; finished texts are kept.',
  );
}
