/** What ran, on what, how long: the head of the page. */
import { figure, type Html, html, paragraph, section, table } from './html.js';
import type { PageData, SettingRow, StageRow } from './rows.js';

/** The title and the figures that matter most. */
export function head({ partition, summary }: Pick<PageData, 'partition' | 'summary'>): Html {
  const tiles: readonly (readonly [Html, string])[] = [
    [figure('summary.texts', summary.texts, 'count'), 'texts'],
    [figure('summary.output_tokens', summary.output_tokens, 'count'), 'tokens written'],
    [figure('summary.tokens_per_step', summary.tokens_per_step, 'ratio'), 'tokens a decode step'],
    [figure('summary.relaxed_share', summary.relaxed_share, 'percent'), 'of the tokens relaxed'],
    [figure('summary.divergence_mean', summary.divergence_mean, 'nats'), 'nats spent a text'],
    [figure('summary.seconds', summary.seconds, 'seconds'), 'in all'],
  ];
  return html`<header>
<h1>Recommendation texts, partition ${partition}</h1>
<ul class="tiles">
${tiles.map(([value, label]) => html`<li><strong>${value}</strong> ${label}</li>\n`)}</ul>
</header>
`;
}

export function whatRan({
  summary,
  stages,
  settings,
  comparison,
}: Pick<PageData, 'summary' | 'stages' | 'settings' | 'comparison'>): Html {
  const { users, items, user_cohorts, item_cohorts } = summary;
  const speed =
    comparison === undefined
      ? undefined
      : paragraph(
          'On ',
          figure('comparison.prompts', comparison.prompts, 'count'),
          ' of the prompts decoding was ',
          figure('comparison.speedup', comparison.speedup, 'ratio'),
          ' times as fast as autoregressive decoding: ',
          figure('comparison.tokens_per_second', comparison.tokens_per_second, 'count'),
          ' against ',
          figure('comparison.autoregressive', comparison.autoregressive_tokens_per_second, 'count'),
          ' tokens/s.',
        );
  return section('run', 'What ran', [
    paragraph(
      figure('summary.users', users, 'count'),
      ' users in ',
      figure('summary.user_cohorts', user_cohorts, 'count'),
      ' cohorts and ',
      figure('summary.items', items, 'count'),
      ' items in ',
      figure('summary.item_cohorts', item_cohorts, 'count'),
      ' cohorts; ',
      figure('summary.prompts', summary.prompts, 'count'),
      ' prompts, ',
      figure('summary.features', summary.features, 'count'),
      ' rows of features.',
    ),
    ...(speed === undefined ? [] : [speed]),
    html`<div class="plots">${[stageTable(stages), settingTable(settings)]}</div>\n`,
  ]);
}

function stageTable(stages: readonly StageRow[]): Html {
  return table<StageRow>(
    [
      { title: 'stage', cell: ({ stage }) => stage },
      {
        title: 'rows (of pools: texts in them)',
        number: true,
        cell: ({ stage, rows }) => figure('stage.rows', rows, 'count', [stage]),
      },
      {
        title: 'time',
        number: true,
        cell: ({ stage, seconds }) => figure('stage.seconds', seconds, 'seconds', [stage]),
      },
    ],
    stages,
  );
}

function settingTable(settings: readonly SettingRow[]): Html {
  if (settings.length === 0) return html``;
  const columns = [
    { title: 'setting', cell: ({ name }: SettingRow) => name },
    { title: 'value', cell: ({ value }: SettingRow) => html`<code>${value}</code>` },
  ];
  const isKey = ({ name }: SettingRow) => name.startsWith('decode.');
  const keys = settings.filter(isKey);
  return html`<div>${table(
    columns,
    settings.filter((row) => !isKey(row)),
  )}<details><summary>Keys of the configuration</summary>\n${table(columns, keys)}</details></div>\n`;
}
