/** What drafts brought: tokens a step by framework, acceptance by depth and by match length. */
import { barX, barY, ruleX, ruleY } from '@observablehq/plot';
import { asTable, figure, figureColumns, type Html, html, paragraph, section, table } from './html.js';
import { colours, figurePlot, tick } from './plot.js';
import type { CohortRow, DepthRow, FrameworkRow, MatchRow, PageData } from './rows.js';

export function drafting({
  frameworks,
  cohorts,
  depths,
  matches,
  draftedTexts,
}: Pick<PageData, 'frameworks' | 'cohorts' | 'depths' | 'matches' | 'draftedTexts'>): Html {
  if (frameworks.length === 0)
    return section('drafting', 'Tokens a step', [paragraph('There are no texts.')]);
  return section('drafting', 'Tokens a step', [
    paragraph(
      'A decode step of the model writes one token, and those drafted from pools that it accepts. Autoregressive ' +
        'decoding has 1. Tokens that end a text count as written.',
    ),
    frameworkTable(frameworks),
    html`<div class="plots">${['item', 'user'].map((type) => cohortPlot(type, cohorts))}</div>\n`,
    html`<h3>Acceptance</h3>\n`,
    ...acceptance(depths, matches, draftedTexts),
  ]);
}

function frameworkTable(frameworks: readonly FrameworkRow[]): Html {
  const number = figureColumns<FrameworkRow>('framework', ({ framework, entity_type }) => [
    framework,
    entity_type,
  ]);
  return table<FrameworkRow>(
    [
      { title: 'framework', cell: ({ framework }) => framework ?? 'none' },
      { title: 'of', cell: ({ entity_type }) => entity_type ?? 'none' },
      number('texts', 'texts', 'count'),
      number('prompt tokens', 'prompt_tokens', 'count'),
      number('output tokens', 'output_tokens', 'count'),
      number('tokens a step', 'tokens_per_step', 'ratio'),
      number('of drafts accepted', 'accepted_share', 'percent'),
      number('of tokens relaxed', 'relaxed_share', 'percent'),
    ],
    frameworks,
  );
}

/** Bars of a plot at most. */
const shownCohorts = 16;

function cohortPlot(type: string, cohorts: readonly CohortRow[]): Html {
  const all = cohorts.filter(
    ({ entity_type, tokens_per_step }) => entity_type === type && tokens_per_step !== null,
  );
  if (all.length === 0) return html``;
  const bars = all.slice(0, shownCohorts).map(({ cohort, tokens_per_step }) => {
    return { cohort: tick(cohort), tokens: tokens_per_step as number };
  });
  const more = all.length > bars.length ? `, the ${bars.length} largest of ${all.length}` : '';
  const title = `Tokens a step by cohort of ${type}s${more}`;
  return figurePlot(title, title, {
    height: 50 + 20 * bars.length,
    marginLeft: 140,
    marginRight: 24,
    x: { label: 'tokens a step', grid: true, ticks: 5 },
    y: { label: null, domain: [...new Set(bars.map(({ cohort }) => cohort))] },
    marks: [
      barX(bars, { x: 'tokens', y: 'cohort', fill: colours[0] as string, insetTop: 2, insetBottom: 2 }),
      ruleX([0]),
    ],
  });
}

function acceptance(
  depths: readonly DepthRow[],
  matches: readonly MatchRow[],
  texts: number | undefined,
): Html[] {
  if (texts === undefined || depths.length === 0)
    return [
      paragraph('The manifest of the texts holds no counts of drafts: nothing was drafted, or long ago.'),
    ];
  return [
    html`<div class="plots">${[depthPlot(depths), matchPlot(matches)]}</div>\n`,
    asTable([html`<div class="plots">${[depthTable(depths), matchTable(matches)]}</div>\n`]),
    paragraph(
      'Counted at the steps of ',
      figure('acceptance.texts', texts, 'count'),
      ' texts, those that the last command decoded. A draft is a tree: of the tokens at one depth a step accepts one ' +
        'at most. The match is the longest context, in tokens, that the end of a text had in a pool.',
    ),
  ];
}

const shareAxis = { label: 'share accepted', percent: true, domain: [0, 100], grid: true } as const;

function depthPlot(depths: readonly DepthRow[]): Html {
  const title = 'Drafts accepted, by depth';
  return figurePlot(title, `${title}: the share of drafts that deep of which a token there was accepted`, {
    height: 200,
    x: { label: 'depth', tickRotate: 0, ...sparse(depths.map(({ depth }) => depth)) },
    y: shareAxis,
    marks: [
      barY(depths, { x: 'depth', y: 'share', fill: colours[0] as string, insetLeft: 1, insetRight: 1 }),
      ruleY([0]),
    ],
  });
}

function matchPlot(matches: readonly MatchRow[]): Html {
  const title = 'Tokens accepted a step, by match length';
  return figurePlot(title, title, {
    height: 200,
    x: { label: 'tokens of the matched context', ...sparse(matches.map(({ match }) => match)) },
    y: { label: 'accepted a step', grid: true },
    marks: [
      barY(matches, {
        x: 'match',
        y: 'accepted_per_step',
        fill: colours[1] as string,
        insetLeft: 1,
        insetRight: 1,
      }),
      ruleY([0]),
    ],
  });
}

/** Labels of a band axis that don't touch. */
function sparse(places: readonly number[]): { ticks: number[] } {
  const every = Math.ceil(places.length / 16);
  return { ticks: places.filter((_, i) => i % every === 0) };
}

function depthTable(depths: readonly DepthRow[]): Html {
  const number = figureColumns<DepthRow>('depth', ({ depth }) => [depth]);
  return table<DepthRow>(
    [
      { title: 'depth', number: true, cell: ({ depth }) => (depth === 32 ? '32 and more' : depth) },
      number('drafts that deep', 'drafted', 'count'),
      number('accepted there', 'accepted', 'count'),
      number('share', 'share', 'percent'),
    ],
    depths,
  );
}

function matchTable(matches: readonly MatchRow[]): Html {
  const number = figureColumns<MatchRow>('match', ({ match }) => [match]);
  return table<MatchRow>(
    [
      { title: 'match', number: true, cell: ({ match }) => (match === 16 ? '16 and more' : match) },
      number('steps', 'steps', 'count'),
      number('drafted a step', 'rows_per_step', 'ratio'),
      number('accepted a step', 'accepted_per_step', 'ratio'),
      number('share', 'share', 'percent'),
    ],
    matches,
  );
}
