/** What `dare report --help` prints. */
import type { LakeCommand } from './arguments.js';
import { LOGGING, place } from './help-options.js';

export const VIEW_SUMMARIES: Readonly<Record<Extract<LakeCommand, 'report'>, string>> = {
  report: 'write a page on a partition: time, acceptance, cohorts, texts',
};

export const VIEW_DETAILS: Readonly<Record<Extract<LakeCommand, 'report'>, string>> = {
  report: `Usage
  dare report --config FILE [--partition P] [--out FILE] [options]

Writes one HTML page on a partition: what ran, on what, how long and where the time went; tokens a step by framework and
cohort; drafts accepted by depth and by match length; divergence spent; what dare evaluate found, where it has run;
cohorts, what sets them apart and who is in them; texts that spent the most, slowest prompts, warnings. The page has no scripts and needs nothing from anywhere. It
quotes texts, prompts and ids. Tables that are missing are said to be. What sets cohorts apart is read from the inputs as
they are now. Each figure stands in an element with data-figure (its name), value, and data-key where there are several.

Options
  --out FILE               the page, instead of _report.html beside the texts of the partition
${place('report on')}
${LOGGING}

Output of report
  The JSON line holds "files" (the page), "rows" (texts), "tokensPerStep", "relaxedShare" and "stageWarnings", their
  number; "warnings" says what is missing.

Examples
  dare report --config data-samples/dare.yaml
  dare report --config dare.yaml --partition 2026-10-01 --out report.html`,
};
