/** The page's looks: light and dark, on a phone and on paper. */
export const style = `
:root {
  --page: #fcfcfb; --surface: #ffffff; --ink: #1a1a19; --muted: #5c5b57; --line: #deddd8;
  --series-1: #2a78d6; --series-2: #1baf7a; --series-3: #eda100; --series-4: #008300;
  --series-5: #4a3aa7; --series-6: #e34948; --series-7: #e87ba4; --series-8: #eb6834;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #1a1a19; --surface: #232322; --ink: #f2f1ec; --muted: #b0afa8; --line: #3d3c39;
    --series-1: #3987e5; --series-2: #199e70; --series-3: #c98500; --series-4: #2b9c2b;
    --series-5: #9085e9; --series-6: #e66767; --series-7: #d55181; --series-8: #d95926;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h4 { font-size: .9rem; margin: 1rem 0 0; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; overflow-wrap: anywhere; }
p { max-width: 44rem; margin: .5rem 0 1rem; }
small, figcaption, .facts, footer, .unknown { color: var(--muted); }
small { font-size: .8em; overflow-wrap: anywhere; }
footer { max-width: 60rem; margin: 0 auto; padding: 0 1rem 2rem; font-size: .875rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; padding: 0; margin: 1rem 0; list-style: none; }
.tiles li { background: var(--surface); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .75rem; color: var(--muted); font-size: .875rem; }
.tiles strong { display: block; color: var(--ink); font-size: 1.4rem; font-weight: 600; line-height: 1.3; }
.plots > * { min-width: 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem 2rem; align-items: start; }
figure { margin: 0 0 1rem; max-width: 26rem; }
figcaption { font-size: .875rem; margin-bottom: .25rem; }
svg { display: block; width: 100%; height: auto; color: var(--ink); }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1rem; margin: 0 0 1rem; padding: 0; list-style: none; font-size: .875rem; }
.legend span { display: inline-block; width: .75rem; height: .75rem; margin-right: .4rem; border-radius: 2px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.scroll, .stacked { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--muted); font-weight: 500; vertical-align: bottom; }
td { max-width: 24rem; overflow-wrap: anywhere; }
td:first-child { overflow-wrap: break-word; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { white-space: normal; }
.cells { margin: 0; padding: 0; list-style: none; min-width: 13rem; }
code { font-size: .85em; overflow-wrap: anywhere; }
blockquote { margin: .5rem 0; padding: .6rem .9rem; background: var(--surface); border-left: 3px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere; }
mark { background: color-mix(in srgb, var(--series-3) 35%, transparent); color: inherit; border-radius: 2px; padding: 0 1px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
b.first { font-weight: inherit; outline: 2px solid var(--series-6); outline-offset: 1px; border-radius: 2px; }
summary { cursor: pointer; color: var(--muted); font-size: .875rem; }
@media screen and (max-width: 40rem) {
  .stacked thead { display: none; }
  .stacked table, .stacked tbody, .stacked tr { display: block; }
  .stacked tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .stacked td { display: flex; justify-content: space-between; gap: 1rem; max-width: none; padding: .1rem 0; border: 0; text-align: left; white-space: normal; }
  .stacked td::before { content: attr(data-title); color: var(--muted); flex: none; }
  .stacked .cells { min-width: 0; text-align: right; }
  .stacked td:first-child { font-weight: 600; }
}
@media print {
  :root { --page: #fff; --surface: #fff; --ink: #000; --muted: #444; --line: #bbb; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  figure, article, tr, .tiles li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll, .stacked { overflow: visible; }
  td { max-width: none; }
  svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
