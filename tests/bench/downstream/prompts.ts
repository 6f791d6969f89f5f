/**
 * Lays MovieLens-100k out for the pipeline, runs segment and prompts on it, and puts worked examples before the prompts.
 * usage: node dist/tests/bench/downstream/prompts.js --data FOLDER --model FILE --out FOLDER
 *   --data   RecBole's ml-100k.item and ml-100k.inter (setup fetches them)
 *   --model  GGUF file or Hugging Face folder of the model that will decode
 *   --out    gets items, events and history as Parquet, the lake's tables cohorts and prompts, and prompts.parquet:
 *            prompt_id, entity_type, entity_id, framework, cohort, messages, place (by number of events), half (a or b)
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { prompts } from '../../../pipeline/prompts.js';
import { segment } from '../../../pipeline/segment.js';
import { loadConfig } from '../../../src/config/load.js';
import { Lake } from '../../../src/lake/lake.js';
import { packageRoot } from '../../../src/paths.js';
import { runSql } from '../run-sql.js';
import { benchTools } from '../sample.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { data: text, model: text, out: text } });
if (values.data === undefined || values.model === undefined || values.out === undefined) {
  throw new Error('--data FOLDER, --model FILE and --out FOLDER are needed');
}
const here = join(packageRoot, 'tests/bench/downstream');
const [data, model, out] = [resolve(values.data), resolve(values.model), resolve(values.out)];
const file = (name: string) => join(out, `${name}.parquet`);
mkdirSync(out, { recursive: true });

await runSql('downstream/sql/movies', { items: join(data, 'ml-100k.item'), out: file('items') });
const interactions = join(data, 'ml-100k.inter');
await runSql('downstream/sql/events', { interactions, movies: file('items'), out: file('events') });
await runSql('downstream/sql/history', { events: file('events'), out: file('history') });

const inputs = [`inputs.items.path=${file('items')}`, `inputs.ratings.path=${file('history')}`];
const config = loadConfig(join(here, 'dare.yaml'), [...inputs, `model.path=${model}`], { lake: out });
const { partition } = config;
const context = { ...benchTools(), config, lake: new Lake(out), partition };
await segment(context);
await prompts(context);

const table = context.lake.file('prompts', partition);
const chats = file('chats');
await runSql('few-shot', { prompts: table, shots: join(here, 'few-shot.json'), out: chats });
await runSql('downstream/sql/ranked', { prompts: chats, events: file('events'), out: file('prompts') });
rmSync(chats);
console.log(JSON.stringify({ prompts: file('prompts'), events: file('events') }));
