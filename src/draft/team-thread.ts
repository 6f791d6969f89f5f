/** A drafting thread: see team.ts. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { messageOf } from '../errors.js';
import { openPool } from '../pool/file.js';
import type { Pool } from '../pool/trie.js';
import { Drafter, type DraftPools } from './drafter.js';
import { commands, Mailbox } from './mailbox.js';
import type { DraftThreadOptions, NumberedPools } from './team.js';

const port = parentPort;
if (port === null) throw new Error('team-thread.js is started by DraftTeam');
const { memory, followers, vocabulary, endTokens } = workerData as DraftThreadOptions;
const mailbox = Mailbox.of(memory, followers);
const ends = new Set(endTokens);
const drafters: Drafter[] = [];
let pools: Pool[] = [];

port.postMessage('ready');
try {
  // ends with the thread that decodes
  for (;;) {
    obey(mailbox.next());
    mailbox.free();
  }
} catch (error) {
  mailbox.fail(messageOf(error));
}

function obey(command: number): void {
  switch (command) {
    case commands.begin:
      drafterOf(mailbox.next()).begin(poolsOf(mailbox.next(), mailbox.next()));
      return;
    case commands.append: {
      const drafter = drafterOf(mailbox.next());
      for (let left = mailbox.next(); left > 0; left--) drafter.append(mailbox.next());
      return;
    }
    case commands.draft:
      draft();
      return;
    case commands.pools: {
      const received = receiveMessageOnPort(port as NonNullable<typeof port>);
      if (received === undefined) throw new Error('no pools were sent');
      pools = (received.message as NumberedPools).map((bytes) => openPool(bytes, 'A pool').pool);
      return;
    }
    default:
      throw new Error(`unknown command ${command}`);
  }
}

function draft(): void {
  const sequence = mailbox.next();
  const drafter = drafterOf(sequence);
  const last = mailbox.next();
  const [nodes, depth] = [mailbox.next(), mailbox.next()];
  const [line, relaxed] = [mailbox.next() === 1, mailbox.next() === 1];
  const minPathProbability = mailbox.nextDouble();
  const rows = drafter.draft(last, { nodes, depth, line, relaxed, minPathProbability });
  const { gains, matched } = drafter;
  mailbox.leave(sequence, { rows, gains, matched }, (row) => drafter.contextsOf(row));
}

function drafterOf(sequence: number): Drafter {
  const drafter = drafters[sequence] ?? new Drafter(vocabulary, ends);
  drafters[sequence] = drafter;
  return drafter;
}

function poolsOf(cohort: number, shared: number): DraftPools {
  const [first, second] = [pools[cohort], pools[shared]];
  return {
    ...(first === undefined ? {} : { cohort: first }),
    ...(second === undefined ? {} : { shared: second }),
  };
}
