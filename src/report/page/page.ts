/** The page: one HTML document without scripts that asks for nothing from anywhere. */
import { cohorts } from './cohorts.js';
import { divergence } from './divergence.js';
import { drafting } from './drafting.js';
import { evaluation } from './evaluation.js';
import { relaxedTexts, slowest } from './examples.js';
import { Html, html } from './html.js';
import { head, whatRan } from './overview.js';
import { missing, warnings } from './problems.js';
import type { PageData } from './rows.js';
import { style } from './style.js';
import { time } from './time.js';

/** The report of a partition as an HTML document. */
export function page(data: PageData): string {
  const { partition, version } = data;
  const sections = [
    missing,
    warnings,
    whatRan,
    time,
    drafting,
    divergence,
    evaluation,
    cohorts,
    relaxedTexts,
    slowest,
  ];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>DARE report, partition ${partition}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${head(data)}${sections.map((section) => section(data))}</main>
<footer><p>Written by dare report, version ${version}.</p></footer>
</body>
</html>
`.text;
}
