/**
 * llama.cpp on the CPU through node-llama-cpp, as a peer of the benchmark (protocol.ts).
 * usage: node dist/tests/bench/peers/llama-cpp.js MODULES MODEL.gguf THREADS
 * MODULES is a folder in which `npm install node-llama-cpp` was run. Each sequence keeps its prompt's beginning for
 * the next one; greedy decoding; keys and values in float16, flash attention and batch size as llama.cpp chooses.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../../../src/errors.js';
import { Gate } from './gate.js';
import type { PeerAnswer, PeerGreeting, PeerRequest } from './protocol.js';

/** The part of node-llama-cpp 3 that is used here. */
interface LlamaModule {
  getLlama(options: Record<string, unknown>): Promise<Llama>;
  InputLookupTokenPredictor: new () => Predictor;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<{ createContext(options: object): Promise<Context> }>;
}
interface Context {
  getSequence(options: { tokenPredictor?: Predictor }): LlamaSequence;
  dispose(): Promise<void>;
}
interface Predictor {
  updateInputTokens(tokens: number[]): void;
}
interface LlamaSequence {
  readonly nextTokenIndex: number;
  /** `used`: tokens that came from predictions and cost no step. */
  readonly tokenPredictions: { used: number };
  adaptStateToTokens(tokens: number[], allowShift: boolean): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>;
  evaluate(tokens: number[], options: object): AsyncGenerator<number, void>;
}

/** A place for one text at a time. */
interface Slot {
  sequence: LlamaSequence;
  predictor: Predictor | undefined;
}

interface Opened {
  context: Context;
  slots: Slot[];
  size: number;
}

const [modules = '', model = '', threads = ''] = process.argv.slice(2);

async function serve(): Promise<void> {
  try {
    const folder = join(modules, 'node_modules', 'node-llama-cpp');
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    const peer = await LlamaPeer.load(folder, model, Number(threads));
    const about = `node-llama-cpp ${version}, ${model}, ${threads} threads`;
    answer({ about, lookup: true } satisfies PeerGreeting);
    for await (const line of createInterface({ input: process.stdin })) {
      answer(await peer.run(JSON.parse(line) as PeerRequest));
    }
    process.exit(0);
  } catch (error) {
    answer({ error: messageOf(error) });
    process.exit(1);
  }
}

function answer(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

class LlamaPeer {
  /** By setting: contexts stay, as a program that goes on would keep them. */
  private readonly opened = new Map<string, Opened>();

  private constructor(
    private readonly module: LlamaModule,
    private readonly model: Awaited<ReturnType<Llama['loadModel']>>,
    private readonly threads: number,
  ) {}

  static async load(folder: string, modelPath: string, threads: number): Promise<LlamaPeer> {
    const module = (await import(pathToFileURL(join(folder, 'dist/index.js')).href)) as LlamaModule;
    const llama = await module.getLlama({
      gpu: false,
      build: 'never',
      skipDownload: true,
      maxThreads: threads,
      logger: (_level: string, message: string) => process.stderr.write(`llama.cpp: ${message.trimEnd()}\n`),
      logLevel: 'error',
    });
    return new LlamaPeer(module, await llama.loadModel({ modelPath }), threads);
  }

  /** Decodes the prompts; a free sequence takes the next one. */
  async run(request: PeerRequest): Promise<PeerAnswer> {
    const { prompts, setting, maxNewTokens } = request;
    const longest = Math.max(...prompts.map((prompt) => prompt.length));
    const { slots } = await this.open(setting, longest + maxNewTokens);
    const gate = new Gate();
    const outputs: number[][] = prompts.map(() => []);
    const used = () => slots.reduce((sum, { sequence }) => sum + sequence.tokenPredictions.used, 0);
    const usedBefore = used();
    const started = performance.now();
    let next = 0;
    await Promise.all(
      slots.map(async (slot) => {
        while (next < prompts.length) {
          const place = next++;
          outputs[place] = await decodeOne(slot, prompts[place] as number[], request, gate);
        }
      }),
    );
    const wall = performance.now() - started;
    const tokens = outputs.reduce((sum, output) => sum + output.length, 0);
    return { outputs, wall, prefill: gate.prefill, decodeSteps: tokens - (used() - usedBefore) };
  }

  private async open({ concurrency, lookup }: PeerRequest['setting'], positions: number): Promise<Opened> {
    const key = `${concurrency} ${lookup}`;
    const before = this.opened.get(key);
    if (before !== undefined && before.size >= positions) return before;
    await before?.context.dispose();
    const size = Math.ceil((positions + 8) / 256) * 256;
    const threads = { ideal: this.threads, min: this.threads };
    const context = await this.model.createContext({ contextSize: size, sequences: concurrency, threads });
    const slots = Array.from({ length: concurrency }, () => {
      const predictor = lookup ? new this.module.InputLookupTokenPredictor() : undefined;
      const options = predictor === undefined ? {} : { tokenPredictor: predictor };
      return { sequence: context.getSequence(options), predictor };
    });
    const opened = { context, slots, size };
    this.opened.set(key, opened);
    return opened;
  }
}

/** The greedy continuation of a prompt. As in our own engine the prompt's last token belongs to the first step. */
async function decodeOne(
  { sequence, predictor }: Slot,
  prompt: number[],
  { endTokens, maxNewTokens }: PeerRequest,
  gate: Gate,
): Promise<number[]> {
  await gate.alone(async () => {
    await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
    const rest = prompt.slice(sequence.nextTokenIndex, -1);
    if (rest.length > 0) await sequence.evaluateWithoutGeneratingNewTokens(rest);
  });
  predictor?.updateInputTokens(prompt);
  const output: number[] = [];
  const tokens = sequence.evaluate(prompt.slice(-1), { temperature: 0, yieldEogToken: true });
  while (output.length < maxNewTokens) {
    const { value, done } = await gate.step(() => tokens.next());
    if (done === true || value === undefined) throw new Error('llama.cpp ended a text without an end token');
    output.push(value);
    if (endTokens.includes(value)) break;
  }
  await tokens.return();
  return output;
}

await serve();
