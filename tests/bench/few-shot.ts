/**
 * The benchmark's data for a model that needs worked examples (SmolLM2): chats for the sample's KAR prompts, their
 * token ids for scripts without a tokenizer, and pool texts from sampled token ids.
 */
import { createReadStream, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { promptIds } from '../../src/decode/row.js';
import { DareError, inputError, messageOf } from '../../src/errors.js';
import { promptPages } from '../../src/lake/pages.js';
import { loadTextModel } from '../../src/model/text.js';
import { packageRoot } from '../../src/paths.js';
import { runSql } from './run-sql.js';
import { samplePrompts } from './sample.js';

const usage = `node dist/tests/bench/few-shot.js ACTION [options]
  prompts --out FILE                     writes Parquet with prompt_id, entity_type, entity_id, framework, cohort and
                                         messages: the sample's KAR prompts after worked examples
  ids --model PATH --prompts FILE --out FILE
                                         writes JSON lines of id and ids: the prompts as the model's tokens
  texts --model PATH --prompts FILE --sampled FILE --out FILE
                                         makes Parquet for --pool-texts of JSON lines of id and ids (sampled outputs)
`;

try {
  await main();
} catch (error) {
  process.stderr.write(`few-shot: ${messageOf(error)}\n`);
  process.exit(error instanceof DareError ? error.exitCode : 1);
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { model: text, prompts: text, sampled: text, out: text, help: { type: 'boolean' } },
  });
  const [action] = positionals;
  if (values.help === true) {
    process.stdout.write(usage);
    return;
  }
  const need = (name: 'model' | 'prompts' | 'sampled' | 'out') => {
    const value = values[name];
    if (value === undefined) throw inputError(`${action} needs --${name}\n${usage}`);
    return value;
  };
  if (action === 'prompts') await writeChats(need('out'));
  else if (action === 'ids') await writeIds(need('model'), need('prompts'), need('out'));
  else if (action === 'texts') await writeTexts(need('model'), need('prompts'), need('sampled'), need('out'));
  else throw inputError(`unknown action ${JSON.stringify(action)}\n${usage}`);
}

async function writeChats(out: string): Promise<void> {
  const shots = join(packageRoot, 'tests/bench/few-shot.json');
  await runSql('few-shot', { prompts: await samplePrompts(), shots, out });
}

async function writeIds(model: string, prompts: string, out: string): Promise<void> {
  const tokenizer = loadTextModel(model, undefined);
  const lines: string[] = [];
  for await (const page of promptPages(prompts)) {
    for (const prompt of page) {
      lines.push(JSON.stringify({ id: prompt.promptId, ids: [...promptIds(tokenizer, prompt)] }));
    }
  }
  writeFileSync(out, `${lines.join('\n')}\n`);
}

async function writeTexts(model: string, prompts: string, sampled: string, out: string): Promise<void> {
  const tokenizer = loadTextModel(model, undefined);
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(sampled) })) {
    // a text that ran into the sampler's limit has no ids: its end isn't one
    const { id, ids } = JSON.parse(line) as { id: string; ids?: number[] };
    if (ids !== undefined) lines.push(JSON.stringify({ id, text: tokenizer.decode(ids) }));
  }
  const texts = `${out}.jsonl`;
  writeFileSync(texts, lines.join('\n'));
  try {
    await runSql('sampled-texts', { texts, prompts, out });
  } finally {
    rmSync(texts);
  }
}
