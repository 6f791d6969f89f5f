/** One prompt's decoding, drawn for a terminal. */
import type { NodeRecord, PromptRecord, RunRecord, StepRecord, TextRecord } from '../decode/trace-records.js';
import { quoted, visibleLines } from './visible.js';

/** What a trace tells of one prompt. */
export interface TracedPrompt {
  run: RunRecord;
  prompt: PromptRecord;
  steps: StepRecord[];
  text: TextRecord;
}

/** Columns that the tree and its tokens take, before what is said of them. */
const treeWidth = 40;
const plainWidth = 96;
const marks: Readonly<Partial<Record<NodeRecord['verdict'], string>>> = { accepted: '+', relaxed: '~' };

/** Steps with their trees, then the text. */
export function drawPrompt(traced: TracedPrompt): string {
  const { run, prompt, steps, text } = traced;
  const where = [prompt.framework, prompt.entity_type, prompt.entity_id]
    .filter((name) => name !== null)
    .map((name) => quoted(name));
  const cohort = prompt.cohort === null ? 'no cohort' : `cohort ${quoted(prompt.cohort)}`;
  const nats =
    run.mode === 'relaxed' ? `, ${nat(text.divergence)} of ${run.divergence_budget} nats spent` : '';
  return [
    '',
    `${quoted(prompt.prompt_id)} (${[...where, cohort].join(', ')}), mode ${run.mode}, ${prompt.prompt_tokens} prompt tokens`,
    '',
    '+ accepted  ~ relaxed  x refused or not reached  > the model’s own token',
    'p: the model’s probability; chance: estimated before, that the path to there is accepted;',
    'match: tokens before it that the pool of its cohort / the pool of all / its own text knew',
    '',
    ...drawSteps(steps, run),
    `${text.output_token_ids.length} tokens in ${text.decode_steps} steps, ended by ${text.finish_reason}; ` +
      `${text.drafted_tokens} drafted, ${text.accepted_tokens} accepted, ${text.relaxed_tokens} of them relaxed${nats}`,
    '',
    ...visibleLines(text.text).map((line) => `  ${line}`),
  ].join('\n');
}

/** Steps without a draft stand together. */
function drawSteps(steps: readonly StepRecord[], run: RunRecord): string[] {
  const lines: string[] = [];
  for (let i = 0; i < steps.length; ) {
    const drafted = steps.findIndex(({ nodes, next }, at) => at >= i && (nodes.length > 0 || !next?.emitted));
    const end = drafted < 0 ? steps.length : drafted;
    if (end - i > 1) lines.push(...drawPlain(steps.slice(i, end)));
    for (const step of steps.slice(end - i > 1 ? end : i, end + 1)) lines.push(...drawStep(step, run));
    i = end + 1;
  }
  return lines;
}

function drawPlain(steps: readonly StepRecord[]): string[] {
  const [first, final] = [steps[0] as StepRecord, steps.at(-1) as StepRecord];
  const lines = [''];
  for (const { next } of steps) {
    const word = next === null ? '' : tokenText(next.token, next.text);
    if ((lines.at(-1) as string).length + word.length > plainWidth) lines.push('');
    lines[lines.length - 1] += ` ${word}`;
  }
  const after = tokenText(first.last, first.last_text);
  return [
    `steps ${first.step} to ${final.step}: no draft, after ${after}`,
    ...lines.map((line) => `  >${line}`),
    '',
  ];
}

function drawStep(step: StepRecord, run: RunRecord): string[] {
  const { nodes, next, last, last_text } = step;
  if (next === null) return [`step ${step.step}: no token, the vector of the last one`, ''];
  const taken = nodes.filter(({ verdict }) => verdict === 'accepted' || verdict === 'relaxed').length;
  const drafted = nodes.length === 0 ? 'no draft' : `${nodes.length} drafted, ${taken} accepted`;
  const odds = next.probability === null ? '' : `p ${share(next.probability)}`;
  const own = `> ${tokenText(next.token, next.text)}`.padEnd(treeWidth + 2);
  return [
    `step ${step.step}: ${drafted}, after ${tokenText(last, last_text)}`,
    ...drawTree(step, run),
    ...(next.emitted ? [`  ${own}${odds}`.trimEnd()] : []),
    '',
  ];
}

interface Branch {
  row: number;
  /** What stands before the node, and before what follows it. */
  lead: string;
  below: string;
}

/** A line a node. Only where a path divides is it indented: paths are long. */
function drawTree(step: StepRecord, run: RunRecord): string[] {
  const children: number[][] = [[], ...step.nodes.map(() => [])];
  step.nodes.forEach(({ parent }, index) => {
    children[parent]?.push(index + 1);
  });
  const spent = spentBefore(step);
  const lines: string[] = [];
  // not by recursion: a trace is input
  const open: Branch[] = branches(children[0] as number[], '');
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { row, lead, below } = at;
    const node = step.nodes[row - 1] as NodeRecord;
    const tree = `${lead}${marks[node.verdict] ?? 'x'} ${tokenText(node.token, node.text)}`;
    lines.push(`  ${tree.padEnd(treeWidth)}  ${describe(node, run, spent[row - 1] as number)}`);
    open.push(...branches(children[row] as number[], below));
  }
  return lines;
}

/** The last is drawn first by who takes them from the end. */
function branches(rows: readonly number[], below: string): Branch[] {
  if (rows.length === 1) return [{ row: rows[0] as number, lead: below, below }];
  const drawn = rows.map((row, i) => {
    const last = i === rows.length - 1;
    return { row, lead: `${below}${last ? '└─' : '├─'}`, below: `${below}${last ? '  ' : '│ '}` };
  });
  return drawn.reverse();
}

/** Nats that the text and the path before each node had cost. */
function spentBefore({ nodes, spent }: StepRecord): number[] {
  const after: number[] = [spent];
  return nodes.map(({ parent, rank, gap }) => {
    const before = after[parent] ?? spent;
    after.push(before + (rank === 0 ? 0 : (gap ?? 0)));
    return before;
  });
}

function describe(node: NodeRecord, run: RunRecord, spent: number): string {
  const { probability, chance, matched } = node;
  const numbers = `p ${share(probability)}  chance ${share(chance)}`;
  const match = `match ${matched.cohort}/${matched.shared}/${matched.own}`;
  return `${numbers}  ${match}  ${reason(node, run, spent)}`.trimEnd();
}

/** Why a node was taken or not. */
function reason({ verdict, rank, gap, probability }: NodeRecord, run: RunRecord, spent: number): string {
  const ranks = rank === null ? 'ranks lower than shown' : `rank ${rank + 1}`;
  const cost = gap ?? Number.POSITIVE_INFINITY;
  switch (verdict) {
    case 'accepted':
      return run.mode === 'sample' ? 'was drawn' : 'first choice';
    case 'relaxed':
      return `${ranks}, ${nat(cost)} nats below the first: ${nat(spent + cost)} of ${run.divergence_budget} spent`;
    case 'rank':
      return `${ranks}, accepted up to ${run.mode === 'relaxed' ? run.top_k : 1}`;
    case 'probability':
      return `${ranks}, p ${share(probability)} is below ${run.min_prob}`;
    case 'budget':
      return `${ranks}, ${nat(cost)} nats, but ${nat(Math.max(0, run.divergence_budget - spent))} of ${run.divergence_budget} are left`;
    case 'drawn':
      return 'another token was drawn';
    case 'unreached':
      return 'follows a refused token';
    case 'shorter':
      return `${ranks}, but another path is longer`;
    case 'costlier':
      return `${ranks}, but another path as long is not costlier`;
    case 'gain':
      return `${ranks}; its path is longer, but by less than its relaxed tokens must bring`;
    case 'ended':
      return 'behind the end of the text';
  }
}

function tokenText(token: number, text: string): string {
  return text === '' ? `<token ${token}>` : quoted(text);
}

function share(value: number): string {
  return value.toFixed(3);
}

function nat(value: number): string {
  return value.toFixed(2);
}
