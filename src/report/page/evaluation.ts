/** What dare evaluate found: texts, vectors and a click model of each setting, against autoregressive decoding. */
import { type Column, figure, figureColumns, type Html, html, paragraph, section, table } from './html.js';
import { pairs } from './pairs.js';
import type { EvaluatedClicks, EvaluatedTexts, EvaluationAbout, PageData } from './rows.js';

/** Nothing where there was no evaluation. */
export function evaluation({ evaluation: found }: Pick<PageData, 'evaluation'>): Html {
  if (found === undefined) return html``;
  const { texts, clicks, about, pairs: changed } = found;
  return section('evaluation', 'What relaxing costs', [
    ...(about === undefined ? [] : [sample(about)]),
    textTable(texts),
    ...(about === undefined ? [] : clickStatement(about)),
    clickTable(clicks),
    ...pairs(changed),
  ]);
}

function sample({ prompts, outdated }: EvaluationAbout): Html {
  return paragraph(
    'dare evaluate decoded ',
    figure('evaluation.prompts', prompts, 'count'),
    ' prompts with each setting and compared texts and vectors with those of autoregressive decoding.',
    outdated ? ' The partition has had other texts since.' : '',
  );
}

function textTable(rows: readonly EvaluatedTexts[]): Html {
  const number = figureColumns<EvaluatedTexts>('evaluation', (row) => [
    row.setting,
    row.entity_type,
    row.framework,
  ]);
  return table<EvaluatedTexts>(
    [
      { title: 'setting', cell: ({ setting }) => setting },
      { title: 'entity', cell: ({ entity_type }) => entity_type ?? '' },
      { title: 'framework', cell: ({ framework }) => framework ?? '' },
      number('texts', 'texts', 'count'),
      number('tokens a step', 'tokens_per_step', 'ratio'),
      number('same texts', 'same_texts', 'percent'),
      number('ROUGE-L', 'rouge_l', 'fine'),
      number('nats a text', 'divergence_mean', 'nats'),
      number('most', 'divergence_max', 'nats'),
      number('perplexity', 'perplexity', 'fine'),
      number('1 - cosine of vectors', 'vector_distance', 'fine'),
      number('between entities', 'entity_distance', 'fine'),
    ],
    rows,
  );
}

function clickStatement({ ratings, seeds, statement }: EvaluationAbout): Html[] {
  return [
    paragraph(
      'A click model was trained on ',
      figure('evaluation.ratings', ratings, 'count'),
      ' ratings, ',
      figure('evaluation.seeds', seeds, 'count'),
      ' times, with the vectors as features. A difference below 0 is AUC lost against autoregressive features.',
    ),
    ...(statement === null ? [] : [html`<p><strong>${statement}</strong></p>\n`]),
  ];
}

function clickTable(rows: readonly EvaluatedClicks[]): Html {
  const number = figureColumns<EvaluatedClicks>('evaluation', ({ setting }) => [setting]);
  // the reference has none to itself
  const difference = (...given: Parameters<typeof number>): Column<EvaluatedClicks> => {
    const column = number(...given);
    return { ...column, cell: (row) => (row.setting === 'autoregressive' ? '' : column.cell(row)) };
  };
  return table<EvaluatedClicks>(
    [
      { title: 'click model with', cell: ({ setting }) => setting },
      number('AUC', 'auc', 'fine'),
      number('log loss', 'log_loss', 'fine'),
      difference('AUC less autoregressive', 'auc_difference', 'fine'),
      difference('95% from', 'auc_low', 'fine'),
      difference('to', 'auc_high', 'fine'),
      { title: 'verdict', cell: ({ verdict }) => verdict ?? '' },
    ],
    rows,
  );
}
