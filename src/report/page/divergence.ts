/** What mode relaxed spent: nats a text. */
import { rectY, ruleX, ruleY } from '@observablehq/plot';
import { asTable, figure, type Html, paragraph, section, table } from './html.js';
import { colours, figurePlot } from './plot.js';
import type { DivergenceBin, DivergenceFigures, PageData } from './rows.js';

export function divergence({
  divergence: bins,
  divergenceFigures: figures,
}: Pick<PageData, 'divergence' | 'divergenceFigures'>): Html {
  const spent = bins.filter(({ bin }) => bin > 0);
  const title = 'Divergence spent';
  if (spent.length === 0)
    return section('divergence', title, [
      paragraph('No text spent any divergence: all tokens are the model’s own choice.'),
    ]);
  return section('divergence', title, [
    paragraph(
      figure('divergence.texts', figures.texts, 'count'),
      ' texts hold tokens that were not the model’s first choice. What they cost is the sum of ln p_max - ln p over these ' +
        'tokens, in nats: the text is exp(-cost) times as probable as it would be with the first choice at each of them. Half of ' +
        'all texts spent at most ',
      figure('divergence.median', figures.median, 'nats'),
      ', nine of ten ',
      figure('divergence.p90', figures.p90, 'nats'),
      ', none more than ',
      figure('divergence.most', figures.most, 'nats'),
      ...(figures.budget === null
        ? ['.']
        : ['; the budget is ', figure('divergence.budget', figures.budget, 'nats'), '.']),
    ),
    histogram(spent, figures),
    asTable([binTable(bins)]),
  ]);
}

function histogram(bins: readonly DivergenceBin[], { budget, most }: DivergenceFigures): Html {
  const near = budget !== null && most !== null && budget <= 1.25 * most;
  const title = `Texts by nats spent, of those that spent some${near ? '; the line is the budget' : ''}`;
  return figurePlot(title, title, {
    height: 200,
    x: { label: 'nats' },
    y: { label: 'texts', grid: true },
    marks: [
      rectY([...bins], {
        x1: 'low',
        x2: 'high',
        y: 'texts',
        fill: colours[0] as string,
        insetLeft: 0.5,
        insetRight: 0.5,
      }),
      ruleY([0]),
      ...(near ? [ruleX([budget], { stroke: colours[5] as string, strokeWidth: 2 })] : []),
    ],
  });
}

function binTable(bins: readonly DivergenceBin[]): Html {
  return table<DivergenceBin>(
    [
      {
        title: 'more than (nats)',
        number: true,
        cell: ({ bin, low }) => (bin === 0 ? '' : figure('bin.low', low, 'nats', [bin])),
      },
      { title: 'at most', number: true, cell: ({ bin, high }) => figure('bin.high', high, 'nats', [bin]) },
      { title: 'texts', number: true, cell: ({ bin, texts }) => figure('bin.texts', texts, 'count', [bin]) },
    ],
    bins,
  );
}
