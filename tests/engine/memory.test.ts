/** What is said where memory isn't enough. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KvCache } from '../../src/engine/cache.js';
import { openSession, ort, runSession } from '../../src/engine/ort.js';
import type { DareError } from '../../src/errors.js';
import { OnnxGraph } from '../../src/model/onnx.js';
import { dareErrorOf } from './errors.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-memory-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Beyond every address space, so that it fails on any machine. */
const tooMuch = 2 ** 50;
const options = { threads: 1, spinning: false, provider: 'cpu' } as const;

/** A graph of so many zeros as a run asks for. */
function zeros(): string {
  const graph = new OnnxGraph('none');
  graph.node('ConstantOfShape', [graph.input('size', 'int64', [1])], ['zeros']);
  graph.node('ReduceSum', ['zeros'], ['sum']);
  graph.output('sum', 'float32', [1]);
  return write('zeros.onnx', graph);
}

/** A graph with one square matrix of zeros. */
function product(side: number): string {
  const name = `product-${side}`;
  const length = side * side * 4;
  const graph = new OnnxGraph(`${name}.bin`);
  const weight = graph.weight('weight', [side, side], { offset: 0, length }, 'float32');
  graph.node('MatMul', [graph.input('rows', 'float32', ['rows', side]), weight], ['out']);
  graph.output('out', 'float32', ['rows', side]);
  writeFileSync(join(folder, `${name}.bin`), '');
  truncateSync(join(folder, `${name}.bin`), length);
  return write(`${name}.onnx`, graph);
}

function write(name: string, graph: OnnxGraph): string {
  const file = join(folder, name);
  writeFileSync(file, graph.encode('tested'));
  return file;
}

/** Opens a graph in a process of its own. @param limit of its address space, in KiB */
function openUnder(limit: number | undefined, file: string): { stdout: string; stderr: string } {
  const script = `
    import { readFileSync } from 'node:fs';
    import { openSession } from ${JSON.stringify(new URL('../../src/engine/ort.js', import.meta.url).href)};
    try {
      await openSession(${JSON.stringify(graphOf(file))}, ${JSON.stringify(options)});
    } catch ({ message, hint, exitCode }) {
      console.log(JSON.stringify({ message, hint, exitCode }));
    }
    console.log(/VmPeak:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  `;
  const command = `${limit === undefined ? '' : `ulimit -v ${limit} && `}exec "$0" --input-type=module -e "$1"`;
  return spawnSync('sh', ['-c', command, process.execPath, script], { encoding: 'utf8' });
}

const graphOf = (file: string) => ({ file, bytes: 3 * 2 ** 30, smaller: 'fewer bits', broken: 'again' });

// elsewhere a process has no limit of its own
if (process.platform === 'linux') {
  test('a graph that memory cannot hold: what its weights take, and no advice to build it again', () => {
    const used = Number(openUnder(undefined, product(16)).stdout);
    // weights of 1 GiB and their packed copy
    const file = product(16_384);
    const { stdout, stderr } = openUnder(used + 300 * 1024, file);
    const error = JSON.parse(stdout.split('\n')[0] as string) as DareError;
    assert.is(error.exitCode, 1);
    assert.is(error.message, `Memory isn't enough to load ${file}: its weights alone take 3,072 MiB`);
    assert.is(error.hint, 'fewer bits');
    assert.is(stderr, '');
  });
}

test('a graph that is none: why, and to build it again', async () => {
  const file = join(folder, 'none.onnx');
  writeFileSync(file, 'none');
  const error = await dareErrorOf(() => openSession(graphOf(file), options));
  assert.is(error.exitCode, 1);
  assert.match(error.message, /^ONNX Runtime can't load .*none\.onnx: /);
  assert.is(error.hint, 'again');
});

test('a step that memory cannot hold', async () => {
  const session = await openSession(graphOf(zeros()), options);
  const size = new ort.Tensor('int64', BigInt64Array.of(BigInt(tooMuch)), [1]);
  const error = await dareErrorOf(() => runSession(session, { size }, ['sum']));
  await session.release();
  assert.is(error.exitCode, 1);
  assert.match(error.message, /^Memory isn't enough for a step of the model/);
  assert.match(error.hint ?? '', /decode\.concurrency/);
});

test('a cache of keys and values that memory cannot hold: its bytes, what to lower; what was cached stays', async () => {
  const cache = new KvCache({ arrays: 2, kvHeads: 1, headSize: 2 }, 2 ** 40);
  const error = await dareErrorOf(() => cache.append([new Float32Array(6), new Float32Array(6)], 3));
  assert.is(error.exitCode, 1);
  // 2 arrays of 2^40 texts with 64 columns of 2 floats
  const bytes = (2 * 2 ** 40 * 64 * 2 * 4) / 2 ** 20;
  assert.match(
    error.message,
    new RegExp(`of up to 64 tokens each takes ${bytes.toLocaleString('en-US')} MiB`),
  );
  assert.match(error.hint ?? '', /Lower decode\.concurrency/);
  assert.is(cache.batch, 0);

  const few = new KvCache({ arrays: 1, kvHeads: 1, headSize: 2 }, 1);
  few.append([Float32Array.of(1, 2, 3, 4)], 2);
  await dareErrorOf(() => few.keep(0, [new Float32Array(2)], { length: 2 ** 40 } as number[]));
  assert.equal([...(few.one(0)[0] as Float32Array)], [1, 2, 3, 4]);
});

test.run();
