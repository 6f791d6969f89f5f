/** The cohorts: how large, what sets them apart, who is in them. */
import { figure, figureColumns, type Html, html, paragraph, section, table } from './html.js';
import type { CohortRow, MemberRow, PageData, TraitRow } from './rows.js';

/** Cohorts of a type that are shown at most. */
const shownCohorts = 40;

export function cohorts({
  cohorts: rows,
  traits,
  members,
}: Pick<PageData, 'cohorts' | 'traits' | 'members'>): Html {
  const title = 'Cohorts';
  if (rows.length === 0) return section('cohorts', title, [paragraph('There are no cohorts.')]);
  const types = [...new Set(rows.map(({ entity_type }) => entity_type))];
  return section('cohorts', title, [
    paragraph(
      'What sets a cohort apart are the values that most of its members have and few others: their share among its ' +
        'members, and among all. Of users it is what the items are like that they rated well.',
    ),
    ...types.map((type) => ofType(type, rows, traits, members)),
  ]);
}

function ofType(
  type: string | null,
  rows: readonly CohortRow[],
  traits: readonly TraitRow[],
  members: readonly MemberRow[],
): Html {
  const own = rows.filter(({ entity_type }) => entity_type === type);
  const isOf =
    ({ cohort }: CohortRow) =>
    (row: TraitRow | MemberRow) =>
      row.entity_type === type && row.cohort === cohort;
  const number = figureColumns<CohortRow>('cohort', ({ cohort }) => [type, cohort]);
  const cells = table<CohortRow>(
    [
      { title: 'cohort', cell: ({ cohort }) => cohort ?? 'none' },
      number('members', 'entities', 'count'),
      number('texts', 'texts', 'count'),
      number('tokens a step', 'tokens_per_step', 'ratio'),
      number('nats a text', 'divergence_mean', 'nats'),
      { title: 'sets it apart', cell: (row) => list(traits.filter(isOf(row)).map(traitText)) },
      { title: 'such as', cell: (row) => list(members.filter(isOf(row)).map(memberText)) },
    ],
    own.slice(0, shownCohorts),
    'stacked',
  );
  const rest = own.length - shownCohorts;
  const more = rest > 0 ? paragraph(`${rest} smaller ones are left out.`) : html``;
  return html`<h3>${type === null ? 'Without a type' : `Of ${type}s`}</h3>\n${cells}${more}`;
}

function list(entries: readonly Html[]): Html {
  return html`<ul class="cells">${entries.map((entry) => html`<li>${entry}</li>`)}</ul>`;
}

function traitText({ entity_type, cohort, attribute, value, share, overall }: TraitRow): Html {
  const key = [entity_type, cohort, attribute, value];
  return html`${attribute}: ${value} (${figure('trait.share', share, 'percent', key)}, of all ${figure('trait.overall', overall, 'percent', key)})`;
}

function memberText({ entity_id, label }: MemberRow): Html {
  return label === null ? html`${entity_id}` : html`${label} <small>${entity_id}</small>`;
}
