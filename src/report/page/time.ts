/** Where the time went: stages on top of each other, and the parts of decoding. */
import { barX, stackX } from '@observablehq/plot';
import { asTable, figure, type Html, html, paragraph, section, shown, table } from './html.js';
import { colours, figurePlot, legend } from './plot.js';
import type { PageData, Phase, PhaseRow, StageRow } from './rows.js';

const PHASES: Readonly<Record<Phase, string>> = {
  load: 'load the model',
  draft: 'draft',
  prompts: 'model: prompts',
  model: 'model: decode steps',
  verify: 'verify',
  loop: 'rest of the decode loop',
  beside: 'outside of the loop',
  write: 'sort and write',
};

export function time({
  stages,
  phases,
  draftedTexts,
}: Pick<PageData, 'stages' | 'phases' | 'draftedTexts'>): Html {
  const timed = stages.filter(({ seconds }) => seconds !== null);
  if (timed.length === 0 && phases.length === 0)
    return section('time', 'Where the time went', [paragraph('The manifests hold no times.')]);
  return section('time', 'Where the time went', [
    html`<div class="plots">${[
      timed.length === 0 ? html`` : stagePlot(timed),
      phases.length === 0 ? html`` : phasePlot(phases),
    ]}</div>\n`,
    phases.length === 0 ? html`` : asTable([phaseTable(phases)]),
    draftedTexts === undefined
      ? html``
      : paragraph(
          'Decoding times are those of the last command, which decoded ',
          figure('drafts.texts', draftedTexts, 'count'),
          ' texts. Outside of the loop prompts are read and pools are made between rounds.',
        ),
  ]);
}

interface Part {
  /** What the figure is of. */
  key: string;
  name: string;
  seconds: number;
}

function stagePlot(stages: readonly StageRow[]): Html {
  const parts = stages.map(({ stage, seconds }) => ({ key: stage, name: stage, seconds: seconds as number }));
  return stackedBar('Stages', 'stage.seconds', parts);
}

function phasePlot(phases: readonly PhaseRow[]): Html {
  const parts = phases.map(({ phase, seconds }) => ({ key: phase, name: PHASES[phase], seconds }));
  return stackedBar('Within decode', 'phase.seconds', parts);
}

/** One bar of several parts, with a legend that tells the times. @param kind the figures' name */
function stackedBar(title: string, kind: string, parts: readonly Part[]): Html {
  const marks = parts.map(({ seconds, name }, place) => ({ seconds, name, fill: colours[place] as string }));
  const told = parts.map(({ name, seconds }) => `${name} ${shown(seconds, 'seconds')}`);
  const drawn = figurePlot(title, `${title}: ${told.join(', ')}`, {
    height: 70,
    marginLeft: 8,
    marginRight: 12,
    x: { label: 'seconds', ticks: 5 },
    marks: [
      barX(
        marks,
        stackX({
          x: 'seconds',
          fill: (part: (typeof marks)[number]) => part.fill,
          insetRight: 1,
          order: null,
        }),
      ),
    ],
  });
  const entries = parts.map(
    ({ key, name, seconds }) => html`${name} ${figure(kind, seconds, 'seconds', [key])}`,
  );
  return html`<div>${drawn}${legend(entries)}</div>\n`;
}

function phaseTable(phases: readonly PhaseRow[]): Html {
  return table<PhaseRow>(
    [
      { title: 'part of decode', cell: ({ phase }) => PHASES[phase] },
      {
        title: 'time',
        number: true,
        cell: ({ phase, seconds }) => figure('phase.seconds', seconds, 'seconds', [phase]),
      },
    ],
    phases,
  );
}
