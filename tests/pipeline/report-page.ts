/** What the page of a report has to look like: marks, frames, drawings, and on a phone, in the dark, on paper. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import * as assert from 'uvu/assert';
import type { TextPair } from '../../src/evaluate/pairs.js';
import type { Lake } from '../../src/lake/lake.js';
import { OpenPage, type View } from '../report/devtools.js';
import { type Figure, figuresOf } from '../report/fixture.js';

/** A text of so many relaxed tokens has a mark at least, and no more than these. */
export function checkMarks(page: string): void {
  const { document } = parseHTML(page);
  const articles = [...document.querySelectorAll('#relaxed article')];
  assert.ok(articles.length > 0, 'the run relaxed some tokens');
  for (const article of articles) {
    const relaxed = Number(
      article.querySelector('[data-figure="relaxed.relaxed_tokens"]')?.getAttribute('value'),
    );
    const marks = article.querySelectorAll('mark').length;
    // one that ends the text has none
    assert.ok(marks <= relaxed && marks >= Math.min(1, relaxed - 1), `${marks} marks of ${relaxed} tokens`);
  }
}

type Drawn = { x: number; y: number; width: number; height: number };

/** The bars of a plot, in the order of the drawing, and what its description says. */
function drawn(page: string, title: string): { bars: Drawn[]; description: string } {
  const figures = [...parseHTML(page).document.querySelectorAll('figure')];
  const plot = figures.find((one) => one.querySelector('figcaption')?.textContent === title);
  const bars = [...(plot?.querySelectorAll('svg rect') ?? [])].map((rect) => {
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) =>
      Number(rect.getAttribute(name)),
    );
    return { x, y, width, height } as Drawn;
  });
  return { bars, description: plot?.querySelector('svg')?.getAttribute('aria-label') ?? '' };
}

/** The legends' times are figures; the descriptions of the drawings say the same. */
export function checkTimes(page: string): void {
  const { document } = parseHTML(page);
  for (const [title, name] of [
    ['Stages', 'stage.seconds'],
    ['Within decode', 'phase.seconds'],
  ] as const) {
    const plot = [...document.querySelectorAll('figure')].find(
      (one) => one.querySelector('figcaption')?.textContent === title,
    );
    const entries = [...(plot?.parentElement?.querySelectorAll('.legend li') ?? [])];
    assert.ok(entries.length > 3);
    for (const entry of entries) assert.ok(entry.querySelector(`[data-figure="${name}"]`) !== null);
    const { bars, description } = drawn(page, title);
    assert.is(description, `${title}: ${entries.map(({ textContent }) => textContent).join(', ')}`);
    // the parts stand one behind the other, each as wide as it took, but for a unit between two
    const seconds = entries.map((entry) => Number(entry.querySelector('data')?.getAttribute('value')));
    assert.is(bars.length, seconds.length);
    const last = bars.at(-1) as Drawn;
    const all = last.x + last.width + 1 - (bars[0] as Drawn).x;
    const sum = seconds.reduce((total, one) => total + one, 0);
    let from = (bars[0] as Drawn).x;
    for (const [i, { x, width }] of bars.entries()) {
      const share = (all * (seconds[i] as number)) / sum;
      assert.ok(
        Math.abs(x - from) < 0.01 && Math.abs(width - Math.max(0, share - 1)) < 0.01,
        `${title} ${i}`,
      );
      from += share;
    }
  }
}

/** Bars are as long as their figures are large. */
export function checkBars(page: string): void {
  const figures = figuresOf(page);
  for (const [title, name, side] of [
    ['Drafts accepted, by depth', 'depth.share', 'height'],
    ['Tokens accepted a step, by match length', 'match.accepted_per_step', 'height'],
    ['Tokens a step by cohort of items', 'cohort.tokens_per_step', 'width'],
  ] as const) {
    const values = figures.filter(
      (one) => one.name === name && (side === 'height' || one.key.startsWith('["item"')),
    );
    const { bars } = drawn(page, title);
    assert.is(bars.length, values.length, title);
    assert.ok(bars.length > 1);
    const most = Math.max(...values.map(({ value }) => value));
    const longest = Math.max(...bars.map((bar) => bar[side]));
    assert.ok(longest > 100);
    for (const [i, bar] of bars.entries()) {
      const right = (longest * (values[i] as Figure).value) / most;
      assert.ok(Math.abs(bar[side] - right) < 0.01, `${title}, bar ${i}: ${bar[side]}, expected ${right}`);
    }
  }
}

/** On a phone nothing is wider than the screen, a dark scheme makes it dark, and paper isn't empty. */
export async function checkLooks(file: string): Promise<void> {
  const page = await OpenPage.open(file);
  try {
    const background = async (scheme: View['scheme']) => {
      await page.look({ width: 360, scheme });
      return await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    };
    const [light, dark] = [await background('light'), await background('dark')];
    const sum = (colour: string) =>
      (colour.match(/\d+/g) ?? []).slice(0, 3).reduce((total, part) => total + Number(part), 0);
    assert.ok(sum(light) > 600 && sum(dark) < 150, `light ${light}, dark ${dark}`);
    const [wide, screen] = await page.evaluate<[number, number]>(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    );
    assert.is(screen, 360);
    assert.ok(wide <= screen, `${wide} pixels on a screen of ${screen}`);
    const paper = await page.print();
    assert.match(paper, /^%PDF-/);
    assert.ok((paper.match(/\/Type ?\/Page\b/g) ?? []).length > 1 && paper.includes('/Font'));
    // the control: a page without text
    await page.evaluate('document.body.remove()');
    assert.not.match(await page.print(), /\/Font/);
  } finally {
    await page.close();
  }
}

/** Both texts of each pair that the manifest keeps, each with a frame where it first differs from the other. */
export function checkPairs(page: string, lake: Lake): void {
  const manifest = readFileSync(join(lake.dir('evaluation', 'a'), '_manifest.json'), 'utf8');
  const { pairs } = JSON.parse(manifest) as { pairs: TextPair[] };
  const articles = [...parseHTML(page).document.querySelectorAll('#evaluation article')];
  assert.is(articles.length, pairs.length);
  assert.ok(pairs.length > 0, 'the evaluation changed some texts');
  for (const [i, { autoregressive, relaxed, promptId }] of pairs.entries()) {
    const article = articles[i];
    assert.is(article?.querySelector('h4')?.textContent, promptId);
    const quotes = [...(article?.querySelectorAll('blockquote') ?? [])];
    const texts = quotes.map(({ textContent }) => textContent?.replace('(ends here)', ''));
    assert.equal(texts, [autoregressive, relaxed]);
    const frames = quotes.map((quote) => quote.querySelector('.first')?.textContent);
    assert.ok(frames[0] !== undefined && frames[1] !== undefined && frames[0] !== frames[1], frames.join());
  }
}
