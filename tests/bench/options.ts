/** The benchmark's command line. */
import { parseArgs } from 'node:util';
import { DEVICES, WEIGHTS } from '../../src/config/schema.js';
import { inputError } from '../../src/errors.js';
import { PEERS, type PeerName } from './peers/peer.js';
import { sampleModel } from './sample.js';

export const usage = `npm run -s bench -- [options]
  --model PATH         Hugging Face folder or GGUF file (default: the sample's)
  --prompts FILE       Parquet with prompt_id, prompt or messages, entity_type, cohort, entity_id (default: the
                       sample's KAR prompts, made once)
  --pool-texts FILE    Parquet with text, entity_type, cohort, prompt_id, entity_id (default: the model's texts for
                       the sample's prompts, made once); texts of the prompts or their entities are left out
  --device NAME        cpu, webgpu or auto (default cpu)
  --weights TYPE       weight type of the model (default auto)
  --concurrency LIST   texts decoded together: what each mode's best is looked for among (default 1,4,16,32)
  --shuffle            words of prompts and of the pools' texts in other orders: what drafts cost where nothing matches
  --best-only          leaves concurrency 1 out: for many prompts on a GPU
  --turns N            repetitions, of which medians are taken (default 3)
  --limit N            prompts an entity type, chosen by hash (default 40)
Peers, none of them installed with the project:
  --peer NAME          llama.cpp or transformers as a further mode; may be given twice
  --peer-concurrency LIST   what a peer's best is looked for among (default llama.cpp: as --concurrency; transformers:
                       1,16,64,256,512,1024), up to the first that takes all prompts of an entity type
  --peer-modules DIR   where npm install --prefix DIR node-llama-cpp was run
  --llama-cpp-model FILE    GGUF file (default: --model)
  --python FILE        Python with torch and transformers (default: python3)
  --transformers-model DIR  Hugging Face folder (default: --model)
`;

export type BenchOptions = NonNullable<ReturnType<typeof readOptions>>;

/** The command line; undefined when help is asked for. @throws inputError */
export function readOptions() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      model: { ...text, default: sampleModel },
      prompts: text,
      'pool-texts': text,
      device: { ...text, default: 'cpu' },
      weights: { ...text, default: 'auto' },
      concurrency: { ...text, default: '1,4,16,32' },
      shuffle: { type: 'boolean', default: false },
      'best-only': { type: 'boolean', default: false },
      turns: { ...text, default: '3' },
      limit: { ...text, default: '40' },
      peer: { ...text, multiple: true, default: [] },
      'peer-concurrency': text,
      'peer-modules': text,
      'llama-cpp-model': text,
      python: { ...text, default: 'python3' },
      'transformers-model': text,
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const device = oneOf(DEVICES, 'device', values.device);
  const weights = oneOf(WEIGHTS, 'weights', values.weights);
  const concurrency = list('concurrency', values.concurrency, values['best-only']);
  const given = values['peer-concurrency'];
  const peerConcurrency =
    given === undefined ? undefined : list('peer-concurrency', given, values['best-only']);
  return {
    model: values.model,
    prompts: values.prompts,
    poolTexts: values['pool-texts'],
    device,
    weights,
    concurrency,
    shuffle: values.shuffle,
    turns: whole('turns', values.turns),
    limit: whole('limit', values.limit),
    peers: [...new Set(values.peer.map((name): PeerName => oneOf(PEERS, 'peer', name)))],
    peerConcurrency: {
      'llama.cpp': peerConcurrency ?? concurrency,
      transformers: peerConcurrency ?? [1, 16, 64, 256, 512, 1024],
    },
    peerModules: values['peer-modules'],
    peerModel: {
      'llama.cpp': values['llama-cpp-model'] ?? values.model,
      transformers: values['transformers-model'] ?? values.model,
    },
    python: values.python,
  };
}

function oneOf<T extends string>(known: readonly T[], option: string, value: string): T {
  const found = known.find((name) => name === value);
  if (found === undefined) throw inputError(`--${option} ${value} is unknown: expected ${known.join(', ')}`);
  return found;
}

/** Concurrencies in ascending order, 1 among them unless it is left out. */
function list(option: string, value: string, bestOnly: boolean): number[] {
  const listed = value.split(',').map((entry) => whole(option, entry));
  const all = bestOnly ? listed.filter((concurrency) => concurrency > 1) : [1, ...listed];
  if (all.length === 0) throw inputError(`--${option} ${value} holds nothing above 1, as --best-only wants`);
  return [...new Set(all)].sort((a, b) => a - b);
}

function whole(option: string, value: string): number {
  if (/^[1-9]\d{0,4}$/.test(value)) return Number(value);
  throw inputError(`--${option} holds ${JSON.stringify(value)}: expected whole numbers from 1`);
}
