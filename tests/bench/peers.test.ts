import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { promptPages } from '../../src/lake/pages.js';
import { packageRoot } from '../../src/paths.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { Gate } from './peers/gate.js';
import { Peer, type PeerName } from './peers/peer.js';
import { sampleModel } from './sample.js';

test('a gate lets steps run together and prefills alone, prefills first', async () => {
  const gate = new Gate();
  const log: string[] = [];
  const within = async (name: string) => {
    log.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`${name} ends`);
  };
  await Promise.all([
    gate.step(() => within('step 1')),
    gate.step(() => within('step 2')),
    gate.alone(() => within('prefill 1')),
    gate.step(() => within('step 3')),
    gate.alone(() => within('prefill 2')),
  ]);
  assert.equal(log, [
    'step 1 begins',
    'step 2 begins',
    'step 1 ends',
    'step 2 ends',
    'prefill 1 begins',
    'prefill 1 ends',
    'prefill 2 begins',
    'prefill 2 ends',
    'step 3 begins',
    'step 3 ends',
  ]);
  assert.ok(gate.prefill > 0);
});

test('a gate opens again after a prefill that failed', async () => {
  const gate = new Gate();
  const failed = errorOf(() => gate.alone(() => Promise.reject(new Error('no memory'))));
  const step = gate.step(() => Promise.resolve('went on'));
  assert.is((await failed).message, 'no memory');
  assert.is(await step, 'went on');
});

test('a missing peer is one error of wrong usage that says how to get it', () =>
  inFolder(async (folder) => {
    const gguf = join(folder, 'model.gguf');
    writeFileSync(gguf, 'GGUF');
    const nowhere = join(folder, 'python3');
    const cases: [PeerName, model: string, modules: string | undefined, message: RegExp, hint: RegExp][] = [
      ['llama.cpp', gguf, undefined, /no --peer-modules is given/, /npm install .* node-llama-cpp/],
      ['llama.cpp', gguf, folder, /node-llama-cpp: it isn't in /, /npm install .* node-llama-cpp/],
      ['llama.cpp', sampleModel, folder, /needs a GGUF file: /, /--llama-cpp-model/],
      ['transformers', gguf, undefined, /needs a Hugging Face folder: /, /--transformers-model/],
      ['transformers', sampleModel, undefined, /can't start: .*ENOENT/, /pip install torch transformers/],
    ];
    for (const [name, model, modules, message, hint] of cases) {
      const error = await errorOf(() => Peer.start(name, { model, modules, python: nowhere }));
      assert.match(error.message, message);
      assert.match(error.hint ?? '', hint);
      assert.is(error.exitCode, 2);
    }
  }));

test('few-shot chats: the examples of the framework and entity type, then the prompt', () =>
  inFolder(async (folder) => {
    const [prompts, out] = [join(folder, 'prompts.parquet'), join(folder, 'chats.parquet')];
    const shots = join(packageRoot, 'tests/bench/few-shot.json');
    const duck = await Duck.open();
    await duck.run(
      `copy (select framework || ':' || entity_type as prompt_id, entity_type, '1' as entity_id, framework,
          'c' as cohort, 'Describe "it".' as prompt
        from (values ('kar', 'user'), ('once', 'item'), ('kar', 'item')) names(framework, entity_type)) to $prompts`,
      { prompts },
    );
    const sql = readFileSync(join(packageRoot, 'tests/bench/few-shot.sql'), 'utf8');
    await duck.run(sql, { prompts, shots, out });
    duck.close();
    const examples = JSON.parse(readFileSync(shots, 'utf8')) as Record<string, object[]>;
    const rows = [];
    for await (const page of promptPages(out)) rows.push(...page);
    const last = { role: 'user', content: 'Describe "it".' };
    assert.equal(
      rows.map(({ promptId, cohort, messages }) => ({ promptId, cohort, messages })),
      ['item', 'user'].map((entity) => {
        const messages = [...(examples[`kar_${entity}`] ?? []), last];
        return { promptId: `kar:${entity}`, cohort: 'c', messages };
      }),
    );
  }));

test.run();
