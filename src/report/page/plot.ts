/** Plots as SVG for the page: narrow enough for a phone, in the page's own colours (CSS variables). */
import { type PlotOptions, plot } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { Html, html, visible } from './html.js';

const { document } = parseHTML('<!doctype html><html><body></body></html>');
/** Units of the drawing; on a wide page two stand side by side. */
const width = 400;

/** The page's colours, in an order in which neighbours are easily told apart. */
export const colours = [1, 2, 3, 4, 5, 6, 7, 8].map((place) => `var(--series-${place})`);

/** A plot with a title. `description` says in words what it shows, for those who can't see it. */
export function figurePlot(title: string, description: string, options: PlotOptions): Html {
  const drawn = plot({
    width,
    style: { fontSize: '11px' },
    ...options,
    document,
  } as PlotOptions);
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', description);
  const svg = new Html(visible(drawn.outerHTML));
  return html`<figure><figcaption>${title}</figcaption>\n${svg}</figure>\n`;
}

/** Names in a drawing: short, so that they leave room for it. */
export function tick(name: string | null): string {
  const text = visible(name ?? 'none').replaceAll(/\s+/g, ' ');
  const characters = [...text];
  return characters.length <= 22 ? text : `${characters.slice(0, 21).join('')}…`;
}

/** What the colours of a plot stand for. */
export function legend(names: readonly Html[]): Html {
  const entries = names.map(
    (name, place) =>
      html`<li><span style="background:${colours[place % colours.length]}"></span>${name}</li>`,
  );
  return html`<ul class="legend">${entries}</ul>\n`;
}
