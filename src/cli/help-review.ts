/** What `dare evaluate --help` and `dare tune --help` print. */
import type { LakeCommand } from './arguments.js';
import { LOGGING, place, WATCHING } from './help-options.js';

export const REVIEW_SUMMARIES: Readonly<Record<Extract<LakeCommand, 'evaluate' | 'tune'>, string>> = {
  evaluate: 'what relaxed decoding changes: texts, vectors, a recommender',
  tune: 'the fastest decode settings that lose no more than allowed',
};

export const REVIEW_DETAILS: Readonly<Record<Extract<LakeCommand, 'evaluate' | 'tune'>, string>> = {
  evaluate: `Usage
  dare evaluate --config FILE [options]

Decodes the prompts of a sample of users and items with the configured model: autoregressively, greedily, relaxed as
configured, and relaxed with other divergence budgets. Writes the table evaluation: for each of these settings, entity
type and framework how much the texts differ from the autoregressive ones (identical texts and tokens, ROUGE-L,
divergence in nats, distance of the vectors, against that between different entities), and what they are like
(distinct-n, repetition, JSON of rlmrec, perplexity under the model, length, how they ended, tokens a step).
Then it trains click models on the partition's own ratings, five times each: without features, with the vectors of the
autoregressive texts, of the relaxed ones, and of shuffled ones; and says whether relaxed texts are non-inferior within
0.002 AUC, lose, or that the data set is too weak to tell (autoregressive vectors must beat none, shuffled ones must
lose). A liked rating (prompts.history.likedFrom) counts as a click; those that a user's prompt shows stay out.

Pools are made as dare pools makes them, of texts of everybody but those whose prompts are decoded. Where the sample is
more than a fifth of all, it is decoded in parts, each with pools that lack its own texts alone.

  --limit N                users, and items, whose prompts are decoded, chosen by hash; as --set evaluate.limit=N
  --divergence-budget LIST other budgets, in nats a text; as --set evaluate.divergenceBudgets=[LIST]
  --skip-exit-code N       end with N, 0 to 255, where the evaluation is of what there is now, and decode nothing then

${place('look at')}
${LOGGING}

${WATCHING}

Output of evaluate
  Two tables and a statement on stderr. The JSON line holds "results", a list like the table's rows, "speeds" (tokens a
  second by setting) and "downstream" {"ratings", "seeds", "statement", "results"}.

Examples
  dare evaluate --config data-samples/dare.yaml
  dare evaluate --config dare.yaml --partition 2026-10-01 --limit 400 --divergence-budget 2,6`,
  tune: `Usage
  dare tune --config FILE [options]

Decodes the prompts of a sample of users and items, held out of the pools as in dare evaluate, autoregressively, greedily
and relaxed with every combination of the values below. Prints the settings by their loss, marks those than which none
is faster and loses less, and chooses the fastest within the bound on loss; of settings that are equally fast (1%) the
one that loses least. Fast is what takes little time a token by the machine's cost table: measured times of the same
work differ by more (tokens/s shows them). Loss is what relaxed tokens give away, in nats, over all tokens: 0.05 is a
factor of 1.05 on the probability of a token. The defaults make 28 settings. Writes no table and changes no
configuration: it prints the keys to paste.

  --max-loss N             nats a token that may be given away; default 0.05
  --divergence-budget LIST nats a text; default 1,4
  --top-k LIST             ranks; default 2,3
  --min-prob LIST          least probabilities; default 0.05,0.1
  --min-gain LIST          tokens that a relaxed one must bring at a text's beginning; default the configuration's
  --nodes LIST             draft nodes a step: auto, or numbers from 1 to 256; default auto,16,32
  --limit N                users, and items, whose prompts are decoded, chosen by hash; default evaluate.limit

${place('look at')}
${LOGGING}

${WATCHING}

Output of tune
  A table and YAML on stderr. The JSON line holds "chosen" {"name", "mode", "topK", ...}, "configuration" (the YAML) and
  "results", a list of {"name", "loss", "milliseconds", "tokensPerStep", "sameTexts", "perplexity", "best", ...}.

Examples
  dare tune --config data-samples/dare.yaml --limit 40
  dare tune --config dare.yaml --max-loss 0.02 --nodes auto --divergence-budget 2,4,8`,
};
