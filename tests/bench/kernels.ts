/**
 * Where a decode step's time goes on a GPU, kernel by kernel, by timestamps around every dispatch. The last line of stdout is
 * JSON; tables for people go to stderr.
 * usage: node dist/tests/bench/kernels.js --help; gpu.md beside this file
 */
import { parseArgs } from 'node:util';
import { WEIGHTS } from '../../src/config/schema.js';
import { defaultModelCache } from '../../src/decode/settings.js';
import { prepareEnvironment } from '../../src/engine/environment.js';
import { GpuDevice } from '../../src/engine/webgpu/device.js';
import { WebGpuEngine } from '../../src/engine/webgpu/engine.js';
import { inputError } from '../../src/errors.js';
import type { DecoderShape } from '../../src/model/config.js';
import { openModel } from '../../src/model/source.js';
import { KernelProfiler, type StepProfile } from './kernel-profile.js';
import { stepWork } from './kernel-work.js';
import { machine } from './machine.js';
import { runProgram, say } from './program.js';
import { sampleModel } from './sample.js';

const usage = `node dist/tests/bench/kernels.js [options]
  --model PATH      Hugging Face folder or GGUF file (default: the sample's)
  --texts LIST      texts decoded together (default 1,64)
  --rows LIST       rows of each text in a step (default 1,4,8)
  --columns N       cached tokens of each text, at the first step (default 512)
  --steps N         steps that are timed, of which medians are taken (default 20)
  --adapter NAME    a part of the GPU's name or its PCI bus id
  --weights TYPE    float16, float32 or auto (default)
`;

await runProgram('kernels', main);

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) {
    process.stdout.write(usage);
    return;
  }
  const { model, texts, rows, columns, steps, adapter, weights } = options;
  const cache = defaultModelCache();
  const shape = shapeOf(model, cache);
  const needed = columns + steps + 8 + Math.max(...rows);
  if (needed > shape.context)
    throw inputError(`${needed} columns are needed, the model's context has ${shape.context}`);
  prepareEnvironment({ device: 'webgpu', adapter });
  const gpu = await GpuDevice.open(adapter, weights, true);
  const slots = Math.max(...texts);
  const engine = await WebGpuEngine.open({ model, cache, slots, columns: needed }, gpu);
  try {
    const profiler = new KernelProfiler(engine, gpu, shape.vocabulary);
    const profiles: StepProfile[] = [];
    for (const count of texts) {
      for (const each of rows) {
        const profile = await profiler.profile({ texts: count, rows: each, columns }, steps);
        profiles.push(profile);
        say(tableOf(profile, entriesOf(profile, shape, engine.weights)));
      }
    }
    const emptyPass = await profiler.emptyPass();
    say(`an empty pass with its timestamps, a part of each dispatch's time: ${emptyPass.toFixed(2)} us`);
    const report = {
      ...machine(),
      adapter: gpu.name,
      model,
      weights: engine.weights,
      command: ['node dist/tests/bench/kernels.js', ...process.argv.slice(2)].join(' '),
      emptyPass: round(emptyPass),
      steps: profiles.map(({ kernels: _, wall, host, gpu: busy, idle, ...size }) => ({
        ...size,
        wall: round(wall),
        host: round(host),
        gpu: round(busy),
        idle: round(idle),
      })),
      results: profiles.flatMap((profile) => entriesOf(profile, shape, engine.weights)),
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await engine.close();
  }
}

/** Also refuses what is no model before a GPU is looked for. */
function shapeOf(model: string, cache: string): DecoderShape {
  const source = openModel(model, cache);
  source.close();
  return source.shape;
}

function entriesOf(profile: StepProfile, shape: DecoderShape, weights: 'float16' | 'float32') {
  const { texts, rows, columns, kernels } = profile;
  const work = stepWork(shape, weights === 'float16' ? 2 : 4, profile);
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  return kernels.map(({ kernel, variant, dispatches, microseconds }) => {
    const { operations, bytes } = work[kernel] ?? {};
    // a thousand a microsecond is 10^9 a second
    const rate = (amount: number | undefined) =>
      amount === undefined || microseconds === 0
        ? null
        : Number((amount / microseconds / 1000).toPrecision(4));
    return {
      ...{ texts, rows, columns, kernel, variant, dispatches },
      microseconds: round(microseconds),
      share: total === 0 ? 0 : Number((microseconds / total).toFixed(4)),
      gigaflops: rate(operations),
      gigabytes: rate(bytes),
    };
  });
}

function tableOf(profile: StepProfile, entries: ReturnType<typeof entriesOf>): string {
  const { texts, rows, columns, wall, host, gpu, idle } = profile;
  const titles = ['us a step', 'share', 'dispatches', 'us each', 'GFLOP/s', 'GB/s'];
  const line = (name: string, variant: string, cells: readonly string[]) =>
    `  ${name.padEnd(18)}${variant.padEnd(18)}${cells.map((cell) => cell.padStart(12)).join('')}`;
  const us = (value: number) => value.toFixed(value < 100 ? 1 : 0);
  return [
    `\ntexts: ${texts}, rows of each: ${rows}, columns: ${columns}`,
    line('kernel', '', titles),
    ...entries.map(({ kernel, variant, microseconds, share, dispatches, gigaflops, gigabytes }) =>
      line(kernel, variant, [
        us(microseconds),
        `${(share * 100).toFixed(1)}%`,
        `${dispatches}`,
        us(microseconds / dispatches),
        gigaflops === null ? '' : figure(gigaflops),
        gigabytes === null ? '' : figure(gigabytes),
      ]),
    ),
    `  the GPU at work, with timestamps: ${us(gpu)} us; waiting between dispatches then: ${us(idle)} us`,
    `  a step without them: ${us(wall)} us, of which ${us(host)} until all was recorded and submitted`,
  ].join('\n');
}

function readOptions() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      model: { ...text, default: sampleModel },
      texts: { ...text, default: '1,64' },
      rows: { ...text, default: '1,4,8' },
      columns: { ...text, default: '512' },
      steps: { ...text, default: '20' },
      adapter: text,
      weights: { ...text, default: 'auto' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const weights = WEIGHTS.find((name) => name === values.weights);
  if (weights === undefined) throw inputError(`--weights ${values.weights} is unknown\n${usage}`);
  const list = (option: 'texts' | 'rows') => {
    const counts = values[option].split(',').map((value) => whole(option, value));
    return [...new Set(counts)].sort((a, b) => a - b);
  };
  return {
    model: values.model,
    texts: list('texts'),
    rows: list('rows'),
    columns: whole('columns', values.columns),
    steps: whole('steps', values.steps),
    adapter: values.adapter,
    weights,
  };
}

function whole(option: string, value: string): number {
  if (/^[1-9]\d{0,4}$/.test(value)) return Number(value);
  throw inputError(`--${option} holds ${JSON.stringify(value)}: expected whole numbers from 1\n${usage}`);
}

/** Three digits, or all before the point. */
function figure(value: number): string {
  return value < 100 ? value.toPrecision(3) : value.toFixed(0);
}

function round(value: number): number {
  return Number(value.toFixed(2));
}
