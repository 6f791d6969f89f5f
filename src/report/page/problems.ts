/** How texts ended, what failed, what the stages warned of, what the page can't show. */
import { figure, type Html, html, paragraph, section, table } from './html.js';
import type { EndingRow, ErrorRow, PageData } from './rows.js';

const ENDINGS: Readonly<Record<string, string>> = {
  stop: 'the model or a stop string ended it',
  length: 'cut off: decode.maxNewTokens',
  context: 'cut off: the model’s context is full',
  error: 'no text',
};

export function missing({ missing: sentences }: Pick<PageData, 'missing'>): Html {
  if (sentences.length === 0) return html``;
  return section('missing', 'What is missing here', [
    html`<ul>${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>\n`,
  ]);
}

export function warnings({
  warnings: rows,
  endings,
  errors,
}: Pick<PageData, 'warnings' | 'endings' | 'errors'>): Html {
  const list =
    rows.length === 0
      ? paragraph('The stages warned of nothing.')
      : html`<ul>${rows.map(({ stage, warning }) => html`<li>${stage}: ${warning}</li>`)}</ul>\n`;
  return section('warnings', 'Warnings and endings', [
    list,
    endings.length === 0 ? html`` : endingTable(endings),
    errors.length === 0 ? html`` : errorTable(errors),
  ]);
}

function endingTable(endings: readonly EndingRow[]): Html {
  return table<EndingRow>(
    [
      { title: 'ended by', cell: ({ ending }) => ending },
      { title: 'meaning', cell: ({ ending }) => ENDINGS[ending] ?? '' },
      {
        title: 'texts',
        number: true,
        cell: ({ ending, texts }) => figure('ending.texts', texts, 'count', [ending]),
      },
    ],
    endings,
  );
}

function errorTable(errors: readonly ErrorRow[]): Html {
  return table<ErrorRow>(
    [
      { title: 'error', cell: ({ error }) => error },
      {
        title: 'prompts',
        number: true,
        cell: ({ error, prompts }) => figure('error.prompts', prompts, 'count', [error]),
      },
      { title: 'such as', cell: ({ example }) => example },
    ],
    errors,
  );
}
