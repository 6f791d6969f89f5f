import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { inputError, runError } from '../../../src/errors.js';
import { packageRoot } from '../../../src/paths.js';
import type { PeerAnswer, PeerError, PeerGreeting, PeerOutOfMemory, PeerRequest } from './protocol.js';

export const PEERS = ['llama.cpp', 'transformers'] as const;
export type PeerName = (typeof PEERS)[number];

export interface PeerOptions {
  /** GGUF file for llama.cpp, Hugging Face folder for transformers. */
  model: string;
  /** Folder in which node-llama-cpp was installed. */
  modules: string | undefined;
  /** Python with transformers. */
  python: string;
}

type PeerProcess = ChildProcessByStdio<Writable, Readable, null>;

/** Another decoder in a process of its own, so that neither's threads nor memory meet ours. */
export class Peer {
  private constructor(
    readonly name: PeerName,
    readonly greeting: PeerGreeting,
    private readonly child: PeerProcess,
    private readonly lines: AsyncIterator<string>,
  ) {}

  /**
   * Starts the peer and loads its model.
   * @throws inputError when the peer isn't installed or doesn't take the model
   */
  static async start(name: PeerName, options: PeerOptions): Promise<Peer> {
    const [command, ...parameters] = commandOf(name, options);
    const child = spawn(command as string, parameters, { stdio: ['pipe', 'pipe', 'inherit'] });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (error) =>
        reject(inputError(`The peer ${name} can't start: ${error.message}`, hintOf(name))),
      );
    });
    // a peer that died is met when its answer is read
    child.stdin.on('error', () => {});
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await Promise.race([nextLine<PeerGreeting | PeerError>(name, lines), failed]);
    if ('error' in first) throw inputError(`The peer ${name} can't start: ${first.error}`, hintOf(name));
    return new Peer(name, first, child, lines);
  }

  /** The texts and their times; undefined when the device has no memory for so many at once. */
  async run(request: PeerRequest): Promise<PeerAnswer | undefined> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await nextLine<PeerAnswer | PeerOutOfMemory | PeerError>(this.name, this.lines);
    if ('error' in answer) throw runError(`The peer ${this.name} failed: ${answer.error}`);
    return 'outOfMemory' in answer ? undefined : answer;
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    await ended;
  }
}

async function nextLine<T>(name: PeerName, lines: AsyncIterator<string>): Promise<T> {
  const { value, done } = await lines.next();
  if (done === true) throw runError(`The peer ${name} ended without an answer`, hintOf(name));
  return JSON.parse(value) as T;
}

function commandOf(name: PeerName, { model, modules, python }: PeerOptions): string[] {
  const kind = name === 'llama.cpp' ? 'GGUF file' : 'Hugging Face folder';
  const stat = statSync(model, { throwIfNoEntry: false });
  if (stat === undefined || stat.isFile() !== (name === 'llama.cpp')) {
    const option = `--${name.replace('.', '-')}-model`;
    throw inputError(`The peer ${name} needs a ${kind}: ${model} is none`, `Give one with ${option}.`);
  }
  if (name === 'transformers') {
    return [python, join(packageRoot, 'tests/bench/peers/transformers_generate.py'), model];
  }
  if (modules === undefined || !existsSync(join(modules, 'node_modules/node-llama-cpp'))) {
    const place = modules === undefined ? 'no --peer-modules is given' : `it isn't in ${modules}`;
    throw inputError(`The peer llama.cpp needs node-llama-cpp: ${place}`, hintOf(name));
  }
  const script = fileURLToPath(new URL('./llama-cpp.js', import.meta.url));
  return [process.execPath, script, modules, model, String(availableParallelism())];
}

function hintOf(name: PeerName): string {
  return name === 'llama.cpp'
    ? 'npm install --prefix DIR node-llama-cpp@3.22, then --peer-modules DIR.'
    : 'pip install torch transformers in an environment of its own, then --python ITS/bin/python3.';
}
