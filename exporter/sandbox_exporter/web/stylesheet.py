"""The look of the server's pages: one stylesheet for light and dark, for telephones and desks."""

from __future__ import annotations

STYLESHEET = """
:root {
  color-scheme: light dark;
  --paper: #f6f4ef; --card: #fffefb; --ink: #1d2327; --soft: #656c70; --rule: #dfdbd1;
  --link: #0b5f6b; --good: #22794a; --warn: #96600a; --bad: #b3372c; --idle: #656c70;
  --bad-wash: #fbeeeb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181a; --card: #1b2023; --ink: #e6e4de; --soft: #98a0a3; --rule: #2e3539;
    --link: #6cc5d2; --good: #63c590; --warn: #e2ac53; --bad: #f08a7e; --idle: #98a0a3;
    --bad-wash: #2b2122;
  }
}
*, ::before { box-sizing: border-box; }
body {
  margin: 0; padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 3rem);
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 ui-sans-serif, system-ui, "Segoe UI", "Noto Sans", Roboto, sans-serif;
}
main { max-width: 68rem; margin: 0 auto; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; }
h1 { margin: 0; font-size: clamp(1.4rem, 3vw, 1.9rem); font-weight: 650; letter-spacing: -.02em; }
h1 small {
  margin-left: .5rem; font: 500 .8rem ui-monospace, "DejaVu Sans Mono", Consolas, monospace;
  letter-spacing: 0; color: var(--soft);
}
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-left: auto; }
a { color: var(--link); text-underline-offset: .2em; text-decoration-thickness: 1px; }
a:hover { text-decoration-thickness: 2px; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; border-radius: 2px; }
.figures {
  display: flex; flex-wrap: wrap; gap: 1rem 3.5rem; margin: 1.75rem 0 2rem; padding: 1.1rem 0;
  border-block: 1px solid var(--rule);
}
.figures dt, th { font-size: .8rem; font-weight: 500; color: var(--soft); }
.figures dd { margin: 0; font-size: 1.75rem; line-height: 1.25; letter-spacing: -.02em; }
.figures small { font-size: 1rem; color: var(--soft); letter-spacing: 0; }
dd, td { font-variant-numeric: tabular-nums; }
table {
  width: 100%; border-spacing: 0; background: var(--card);
  border: 1px solid var(--rule); border-radius: .6rem; overflow: hidden;
}
th, td { padding: .7rem 1rem; text-align: left; vertical-align: baseline; }
thead th { border-bottom: 1px solid var(--rule); white-space: nowrap; }
tbody + tbody tr:first-child > * { border-top: 1px solid var(--rule); }
tbody th { font-size: 1rem; font-weight: 600; color: var(--ink); overflow-wrap: anywhere; }
.number { text-align: right; }
.note { color: var(--soft); font-size: .85rem; }
.state {
  display: inline-flex; align-items: center; gap: .5rem; white-space: nowrap; font-weight: 550;
}
.state::before {
  content: ""; width: .6rem; height: .6rem; border-radius: 50%; background: currentColor;
}
.up { color: var(--good); }
.partly, .stale { color: var(--warn); }
.down { color: var(--bad); }
.starting { color: var(--idle); }
.starting::before { background: none; border: 2px solid currentColor; }
.error td {
  padding-top: .5rem; padding-bottom: .6rem; background: var(--bad-wash); overflow-wrap: anywhere;
  font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", Consolas, monospace;
}
footer { margin-top: 1.25rem; }
@media (max-width: 46rem) {
  nav { margin-left: 0; }
  h1 small { margin-left: 0; }
  .figures { gap: .75rem 1.25rem; margin: 1.1rem 0 1.25rem; padding: .8rem 0; }
  .figures dd { font-size: 1.3rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  tbody { padding: .6rem 0; }
  tbody + tbody { border-top: 1px solid var(--rule); }
  tbody + tbody tr:first-child > * { border-top: 0; }
  tbody th, tbody td { padding: .2rem 1rem; }
  tbody th { font-size: 1.1rem; }
  td[data-label] { display: flex; justify-content: space-between; gap: 1rem; text-align: right; }
  td[data-label]::before { content: attr(data-label); color: var(--soft); font-weight: 400; }
  .error td { margin-top: .5rem; padding: .5rem 1rem; }
  tbody:has(.error) { padding-bottom: 0; }
}
"""
