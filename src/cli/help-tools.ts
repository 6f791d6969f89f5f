/** What `dare simulate --help` and `dare plan --help` print. */
import type { ToolName } from './arguments.js';
import { LOGGING } from './help-options.js';

export const TOOL_SUMMARIES: Readonly<Record<ToolName, string>> = {
  simulate: 'what drafts from pools bring, by replaying texts without a model',
  plan: 'prompts, tokens, hours and memory of a run, before a GPU is rented',
};

export const TOOL_DETAILS: Readonly<Record<ToolName, string>> = {
  simulate: `Usage
  dare simulate --texts FILE --pool-texts FILE --tokenizer PATH [options]

Replays recorded texts: at every step a tree of tokens is drafted, as decoding drafts it, and as much of it is accepted
as agrees with the text. Tells the tokens a step and the time of drafting, by what is drafted from, number of draft
nodes, length of n-grams, size of the pools and entity type. For figures that mean something, no user and no item of
the texts may have texts in the pools.

  --texts FILE             Parquet (a path or glob) with text and, where there are some, prompt or messages, prompt_id,
                           entity_type, entity_id, framework, cohort, finish_reason, output_token_ids; for relaxed
                           matching second_ids and second_costs (lists: of each token the second-best one and what it
                           would have cost in nats, null where it wouldn't have passed)
  --pool-texts FILE        Parquet (a path or glob) with text, and entity_type and cohort where there are some
  --tokenizer PATH         folder with the model's tokenizer.json, or GGUF file
  --prompts FILE           Parquet with prompt_id and prompt or messages, for texts without prompts of their own
  --nodes LIST             draft nodes of a step: numbers from 0 to 256; default 8,16,32,64
  --sources LIST           none (no drafts), prompt (prompt and output so far), shared (and the pool of all texts),
                           cohort (and the pool of the text's cohort), mixed (and both: as decoding does); default: all
  --ngrams LIST            longest n-grams of the pools, in tokens: numbers from 2 to 16; default 6
  --pool-sizes LIST        make pools of so many of the pool texts; default: all
  --by LIST                what results are split by: entity, framework, cohort; default entity
  --limit N                replay a sample of so many texts
  --peers                  replay other methods too: prompt-lookup, rest, laser, suffix-decoding
  --divergence-budget N    nats that relaxed matching may give away a text; default 4
  --min-gain N             tokens that a second-best one must bring at a text's beginning; default 5
  --costs FILE             JSON with a machine's cost table, {"batch", "rows", "milliseconds"}: predicts the speedup
  --batch N                with it: texts decoded together; default the table's largest batch
  --out FILE               Parquet to write the results to
${LOGGING}

Output of simulate
  A table on stderr. The JSON line holds "results", a list of {"source", "mode", "entity", "nodes", "ngram",
  "poolTexts", "texts", "tokens", "steps", "tokensPerStep", "draftMicrosPerToken", "speedup", ...}.

Examples
  dare simulate --texts new.parquet --pool-texts old.parquet --tokenizer models/Qwen3-0.6B
  dare simulate --texts new.parquet --pool-texts old.parquet --tokenizer model --pool-sizes 500,2000,8000 --nodes 16
  dare simulate --texts new.parquet --pool-texts old.parquet --tokenizer model --sources mixed --by entity,cohort`,
  plan: `Usage
  dare plan --config FILE [options]
  dare plan --model PATH --prompts FILE [options]

Tells what decoding a catalogue will take: prompts, tokens and, with a machine's cost table, hours; and the memory of the
model and of the texts that are decoded together. Computes nothing with the model. Prompts are those of --prompts, or of
the lake's partition; where there are none yet, every item and user is counted once a framework. Texts that decoding would
take over from earlier tables (decode.reuse) are left out of tokens and hours.

  --model PATH             Hugging Face folder or GGUF file, instead of the configuration's model.path
  --prompts FILE           Parquet with prompt_id and prompt or messages, and entity_type and framework where there are some
  --texts FILE             texts like those to come, as dare simulate takes them: their lengths and the tokens a step
                           that drafts bring are taken for all of their entity type and framework; without it a text has
                           decode.maxNewTokens, one a step
  --pool-texts FILE        with it: Parquet with the texts of the pools
  --costs FILE             JSON with the cost table of the machine to use, {"batch", "rows", "milliseconds"}: one of the
                           package's data-samples/costs (GPUs), or what dare model costs PATH --out FILE measured
  --batch N                texts decoded together; default decode.concurrency, or the table's largest batch, or 16
  --nodes N                draft nodes of a step; default decode.nodes, or 16
  --limit N                look at so many prompts of each kind, and so many texts; default 400

  --config FILE            the configuration, YAML. data-samples/dare.yaml explains every key
  --lake DIR               folder of the tables (or s3://bucket/prefix), instead of the configuration's lake
  --partition P            partition whose prompts are looked at, instead of the configuration's partition
  --set path.to.key=value  change a key of the configuration (without one: under decode and model); repeatable
${LOGGING}

Output of plan
  A table on stderr. The JSON line holds the sums "prompts", "reused" (of them those whose texts are taken over), and of the
  others "promptTokens", "outputTokens", "tokensPerStep", "promptHours", "decodeHours", "plainHours" (without drafts);
  "memory" in bytes {"weights", "perSequence", "sequences"}, and "results", the same sums for each entity type and
  framework.

Examples
  dare plan --config dare.yaml
  dare plan --config dare.yaml --texts new.parquet --pool-texts old.parquet --costs h100.json --batch 128
  dare plan --model models/Qwen3-0.6B --prompts prompts.parquet --costs h100.json`,
};
