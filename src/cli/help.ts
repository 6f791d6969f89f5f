/** What `dare --help` and `dare <stage> --help` print. */

import type { CommandName, StageName } from './arguments.js';
import { WATCHING } from './help-options.js';
import { REVIEW_DETAILS, REVIEW_SUMMARIES } from './help-review.js';
import { TOOL_DETAILS, TOOL_SUMMARIES } from './help-tools.js';
import { UPKEEP_DETAILS, UPKEEP_SUMMARIES } from './help-upkeep.js';
import { VIEW_DETAILS, VIEW_SUMMARIES } from './help-views.js';

const SUMMARIES: Readonly<Record<StageName, string>> = {
  segment: 'group users and items into cohorts',
  prompts: 'write a prompt for every user, item and framework',
  pools: 'build n-gram pools, one per cohort, from earlier texts',
  decode: 'write the texts: speculative decoding from the pools',
  publish: 'join the texts into one feature row per user and item',
  run: 'those of these that are needed, in order, and a summary',
};
const EXPLAIN_SUMMARY = "one prompt's decoding, step by step, from a trace";
const STATUS_SUMMARY = 'which tables are fresh, stale (and why) or missing';
const MODEL_SUMMARY = 'look at a model, or prepare it for decoding';

const COMMON = `Options
  --config FILE            the configuration, YAML. data-samples/dare.yaml explains every key
  --lake DIR               folder of the tables (or s3://bucket/prefix), instead of the configuration's lake
  --partition P            partition to write, instead of the configuration's partition:
                           letters, digits, dots, dashes, underscores, up to 100 of them
  --set path.to.key=value  change a key of the configuration; repeatable; the value is YAML.
                           Relative paths in it count from the working directory
  --json                   stderr carries JSON log lines only, no sentences and no progress bar
  --quiet                  stderr carries warnings and errors only
  --debug                  log more, and show where an error arose
  --log-level L            trace, debug, info (default), warn, error, fatal or silent
  --skip-exit-code N       end with N, 0 to 255, where there was nothing to do (default 0). Airflow takes 99 as skipped
  -h, --help               this text`;

const WATCHED = `${COMMON}

${WATCHING}`;

const OUTPUT = `Output
  The last line of stdout is one line of JSON: {"stage", "partition", "rows", "files", "seconds", "warnings", ...},
  or {"stage", "error", "exitCode"} when the stage failed. Everything else goes to stderr; there is a progress bar
  on a terminal, else a line every ten seconds at most.

Exit codes
  0    done
  1    failed while running (disk full, no permission, too many prompts failed): trying again may help
  2    wrong usage, configuration or input: trying again can't help
  130  stopped by SIGINT, 143 by SIGTERM: the stage stops between two steps, leaves the earlier output as it was
       and no half file for readers; decode keeps the texts it has finished, and goes on behind them when it is run
       again. A second signal ends it at once. A stage that was done by then ends with 0`;

const DETAILS: Readonly<Record<CommandName, string>> = {
  segment: `Usage
  dare segment --config FILE [options]

Reads the items, users and ratings of the configuration's inputs. Writes the table cohorts: entity_type, entity_id,
cohort, distance to the cohort's centre. Users are grouped by what they rated, by attributes or by a ready-made column;
items by attributes or by a column (keys under cohorts).

  --accept-types           take columns of the inputs whose types differ from those of the last run, which are refused
                           otherwise

${WATCHED}

Examples
  dare segment --config data-samples/dare.yaml
  dare segment --config dare.yaml --set cohorts.users.groups=12
  dare segment --config dare.yaml --set 'cohorts.items={ method: column, columns: [genre] }'`,
  prompts: `Usage
  dare prompts --config FILE [options]

Reads the inputs and the table cohorts. Writes the table prompts: prompt_id, entity_type, entity_id, framework,
cohort, prompt, prompt_tokens. Frameworks: kar, trawl, once, rlmrec, or names of your own with prompts.templates.

${WATCHED}

Examples
  dare prompts --config data-samples/dare.yaml
  dare prompts --config dare.yaml --set prompts.frameworks=[kar,once] --partition 2026-10-01`,
  pools: `Usage
  dare pools --config FILE [options]
  dare pools --texts FILE --tokenizer PATH --out DIR
  dare pools verify --config FILE [options]
  dare pools verify --pools DIR

Reads the texts of the lake's earlier partitions, or those of pools.texts. Writes one pool per entity type and cohort
and a shared one, as Arrow IPC files. A pool whose texts are what they were is taken over from the partition's own
pools, or from those of the partition before. pools.maxTokens caps them, pools.exclude keeps texts out.

verify reads every byte of the pools of a partition, or of a folder: sizes, checksums, structure. It ends with 0 when
they are whole, with 1 and a line for each broken file when not, with 2 when there are no pools.

Without a configuration
  --texts FILE             Parquet (a path or glob) with text, and entity_type and cohort where there are some
  --tokenizer PATH         folder with the model's tokenizer.json, or GGUF file
  --out DIR                folder for the pools

${WATCHED}

Examples
  dare pools --config data-samples/dare.yaml
  dare pools --config dare.yaml --set pools.texts=old/texts.parquet
  dare pools --config dare.yaml --set pools.maxTokens=20000000 --set pools.keep=frequent
  dare pools --texts texts.parquet --tokenizer model --out pools
  dare pools verify --config dare.yaml --partition 2026-10-01`,
  decode: `Usage
  dare decode --config FILE [options]
  dare decode --model PATH --prompts FILE --out FILE [--pools DIR] [options]

Reads the tables prompts and pools. Writes the table texts: the text and its tokens, a vector, how it ended, and what
it took (decode steps, drafted, accepted and relaxed tokens, divergence in nats).

  --weights T              auto (default), float32, float16 (GPU), int8 or int4 (CPU); --set model.weights=T
  --mode M                 autoregressive, greedy, relaxed (default) or sample; the same as --set decode.mode=M
  --concurrency N          texts decoded together: auto (default) or 1 to 1024; as --set decode.concurrency=N
  --shard K/N              decode the K-th of N shares of the prompts, on any machine that sees the lake; dare publish
                           joins them. It needs pools, but in mode autoregressive

  --trace FILE             write what every step did, for dare explain: drafts, what was accepted, relaxed, refused and
                           why. JSON lines; the texts are the same. Ends after 256 MiB
  --trace-limit N          of the first N prompts that are decoded, up to 1000 (default 10)
  --trace-prompts ID       of this prompt instead; repeatable

A run that was stopped or killed goes on behind the texts that it has finished when the same command is given again.
Without pools prompts are decoded in rounds, whose texts make the pools of the next.

Without a configuration
  --model PATH             Hugging Face folder (config.json, safetensors or model.onnx, tokenizer.json), or a GGUF or
                           ONNX file
  --prompts FILE           Parquet with prompt_id and either prompt (wrapped in the model's chat template) or messages
                           (a list of role and content); optional: cohort, entity_type, entity_id, framework
  --out FILE               Parquet to write, with the columns of the table texts
  --pools DIR              pools to draft from, made by dare pools; without it prompts are decoded in rounds, whose
                           texts make the pools of the next
  --set                    keys under decode, and model.weights, model.device, model.adapter, model.threads, model.cache

${WATCHED}

Examples
  dare decode --config data-samples/dare.yaml
  dare decode --config dare.yaml --mode greedy --concurrency 32
  dare decode --config dare.yaml --shard 2/8 --skip-exit-code 99
  dare decode --config dare.yaml --set model.device=webgpu --set model.adapter=H100
  dare decode --model model --prompts prompts.parquet --out texts.parquet --pools pools --set decode.nodes=8
  dare decode --config dare.yaml --mode sample --set 'decode.sampling={ temperature: 0.7, topP: 0.9, seed: 1 }'
  dare decode --config dare.yaml --set 'decode.stop=["Question:"]'
  dare decode --config dare.yaml --set decode.reuse=off --trace trace.jsonl --trace-prompts kar:item:1`,
  publish: `Usage
  dare publish --config FILE [options]

Reads the tables cohorts and texts, and joins the shards that dare decode --shard has written into texts first: all of
them must be there. Writes the table features: one row per user and item, each framework's text in a
column of its own, its vector in <framework>_vector, the cohort and where the texts came from. Where more texts are
empty, cut, repetitive, no JSON or missing than publish.quality allows it ends with 1, and the features stay as they
were. The features that it replaces are kept for dare rollback (publish.keep).

${WATCHED}

Examples
  dare publish --config data-samples/dare.yaml
  dare publish --config dare.yaml --partition 2026-10-01`,
  run: `Usage
  dare run --config FILE [options]

Runs segment, prompts, pools, decode and publish in order, and ends with a summary for people: rows, cohorts, tokens
a step, the speed against autoregressive decoding on a sample of the prompts, and a query to paste. A stage whose table
is fresh is skipped: it was made from what there is now (inputs, tables before it, keys of the configuration,
templates, model, versions). The log says what is skipped, and why the others aren't.

  --force                  run the stages whose tables are fresh too
  --accept-types           as for dare segment

${WATCHED}

Examples
  dare run --config data-samples/dare.yaml
  dare run --config dare.yaml --partition 2026-10-01 --json
  dare run --config dare.yaml --set decode.mode=greedy --set model.threads=8
  dare run --config dare.yaml --force
  dare run --config dare.yaml --skip-exit-code 99`,
  status: `Usage
  dare status --config FILE [options]

Says of each table in each partition of the lake whether it is fresh, stale or missing, and what made it stale: which
input, table, key of the configuration or version. With --partition of that partition alone. Computes and changes
nothing. The last line of stdout holds it as JSON: {"stage", "lake", "fresh", "stale", "missing", "tables", ...}, where
each of the tables is {"table", "partition", "state", "reasons"}.

${COMMON}

Examples
  dare status --config data-samples/dare.yaml
  dare status --config dare.yaml --partition 2026-10-01 --json`,
  ...VIEW_DETAILS,
  ...UPKEEP_DETAILS,
  ...REVIEW_DETAILS,
  ...TOOL_DETAILS,
  explain: `Usage
  dare explain PROMPT_ID --trace FILE [options]

Draws how a prompt was decoded: of each step the tree of drafted tokens, each with its probability, whether it was
accepted, relaxed (its rank, nats below the first choice, nats spent of the budget) or refused, and why; then the text.
On stderr, as all that is for people.

  --trace FILE             what dare decode --trace wrote
  --json                   no drawing: the JSON line holds "run", "prompt" and "steps"
  --quiet                  no drawing
  --debug                  show where an error arose
  --log-level L            trace, debug, info (default), warn, error, fatal or silent
  -h, --help               this text

Examples
  dare decode --config dare.yaml --set decode.reuse=off --trace trace.jsonl
  dare explain kar:item:1 --trace trace.jsonl 2>&1 | less
  dare explain kar:item:1 --trace trace.jsonl --json | jq '.steps[].nodes[] | select(.verdict == "relaxed")'`,
  model: `Usage
  dare model inspect PATH [options]
  dare model import PATH [options]
  dare model costs PATH [options]

PATH is a Hugging Face folder, a GGUF or an ONNX file. inspect tells what the model is: architecture, size, context,
tokenizer, chat template, how its weights are stored, the memory that decoding needs, and whether it is supported,
else why not (one sentence a reason; the exit code is 0 then too, and "supported" in the JSON line false). import
converts the weights and builds the decoder graph in the cache, as the first decoding would. costs measures what decode
steps take on this machine, as the first decoding does (what the cache has isn't measured again), and writes the table
that dare plan --costs and dare simulate --costs take.

Options
  --cache DIR              folder of prepared models (default ~/.cache/dare/models), the configuration's model.cache
  --weights T              of import: float32 (default), int8 or int4, the configuration's model.weights; of costs: these,
                           float16 or auto (default)
  --concurrency N          of costs: texts decoded together at most; default as many as decoding takes
  --out FILE               of costs: where the table goes; without it, it stands in the cache only
  --set path.to.key=value  of costs: change a key under model (model.device=webgpu); repeatable
  --json                   stderr carries JSON log lines only, no sentences and no progress bar
  --quiet                  stderr carries warnings and errors only
  --debug                  log more, and show where an error arose
  --log-level L            trace, debug, info (default), warn, error, fatal or silent
  -h, --help               this text

Examples
  dare model inspect data-samples/model
  dare model import models/Qwen3-0.6B --cache /scratch/models
  dare model costs models/Qwen3-0.6B --set model.device=webgpu --out h200-qwen3-0.6b.json`,
};

export function overview(): string {
  const names = Object.entries(SUMMARIES).map(([name, summary]) => `  ${name.padEnd(9)}${summary}`);
  const tools = Object.entries({
    ...VIEW_SUMMARIES,
    ...UPKEEP_SUMMARIES,
    ...REVIEW_SUMMARIES,
    ...TOOL_SUMMARIES,
  }).map(([name, summary]) => `  ${name.padEnd(9)}${summary}`);
  return `dare writes recommendation knowledge with a language model: texts and vectors for users and items.

Usage
  dare <stage> --config FILE [options]
  dare <stage> --help
  dare model inspect|import|costs PATH
  dare --version

Stages, in the order of the data's way
${names.join('\n')}

Beside them
  ${'status'.padEnd(9)}${STATUS_SUMMARY}
${tools.join('\n')}
  ${'explain'.padEnd(9)}${EXPLAIN_SUMMARY}
  ${'model'.padEnd(9)}${MODEL_SUMMARY}

${WATCHED}

Examples
  dare run --config data-samples/dare.yaml
  dare segment --config dare.yaml --partition 2026-10-01
  dare decode --model model --prompts prompts.parquet --out texts.parquet

${OUTPUT}
`;
}

export function commandHelp(command: CommandName): string {
  const summary = {
    ...SUMMARIES,
    ...VIEW_SUMMARIES,
    ...UPKEEP_SUMMARIES,
    ...REVIEW_SUMMARIES,
    ...TOOL_SUMMARIES,
    status: STATUS_SUMMARY,
    explain: EXPLAIN_SUMMARY,
    model: MODEL_SUMMARY,
  }[command];
  return `dare ${command}: ${summary}\n\n${DETAILS[command]}\n\n${OUTPUT}\n`;
}
