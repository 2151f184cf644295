"""The look of every page: one stylesheet, light and dark, screen and paper.

Series colours are Okabe and Ito's (2008), which stay apart for every common kind of colour blindness; the dark set is
the same hues, lighter.
"""

from __future__ import annotations

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a6a00", "#6b6b6b")
"""Colours of series in charts, in order; after the eighth they repeat with another dash."""

SPLITS = ("#3d4a63", "#8b99b3", "#b3923a")
"""Colours of the training, validation and test split, wherever they stand side by side."""

_SPLITS_DARK = ("#8796b5", "#56627a", "#d9b95c")
_DARK = ("#4ea8e6", "#ff8a4c", "#3ccf9f", "#eda3cb", "#f5bf4f", "#93d3f7", "#d6c64a", "#b0b0b0")


def _colours(values: tuple[str, ...], splits: tuple[str, ...]) -> str:
    named = [("c", values), ("s", splits)]
    return "".join(f"--{letter}{index}:{value};" for letter, each in named for index, value in enumerate(each))


def _switches(count: int) -> str:
    """Return what hides group ``n`` of a map while its check box is off."""
    pairs = (f".atlas:has(.f{index}:not(:checked)) .k{index}" for index in range(count))
    return ",".join(pairs) + "{display:none}"


STYLESHEET = (
    """
:root{
  color-scheme:light dark; --page:#fbfbfa; --paper:#fff; --ink:#1d2025; --soft:#5d646f; --line:#e3e5e8;
  --grid:#e9ebee; --good:#0a7a4b; --warn:#8f5a00; --bad:#b3261e; --note:#0b5cad; --link:#0b5cad; $SERIES;
}
@media (prefers-color-scheme:dark){
  :root{
    --page:#14161a; --paper:#1b1e24; --ink:#e8eaed; --soft:#a0a7b3; --line:#2d323b; --grid:#2a2f37;
    --good:#5fd39b; --warn:#f0b453; --bad:#ff8a80; --note:#7cb8f2; --link:#7cb8f2; $DARK;
  }
}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{
  margin:0 auto; padding:2.5rem 1.5rem 4rem; max-width:68rem; background:var(--page); color:var(--ink);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
  overflow-wrap:break-word;
}
header{margin-bottom:1.5rem}
h1{font-size:1.9rem;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:0 0 .35rem}
h2{font-size:1.2rem;line-height:1.3;font-weight:650;letter-spacing:-.005em;margin:0 0 .9rem}
h3{font-size:1rem;font-weight:650;margin:1.4rem 0 .5rem}
p{margin:.5rem 0 .9rem;max-width:46rem}
.subtitle,.muted,figcaption,caption,footer{color:var(--soft)}
.subtitle{margin:0;font-size:1.02rem}
a{color:var(--link);text-decoration-thickness:.06em;text-underline-offset:.15em}
a:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
code,pre,kbd{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9em}
pre{overflow:auto;padding:.8rem 1rem;background:var(--page);border:1px solid var(--line);border-radius:8px}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:0 0 1.5rem;font-size:.92rem}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
section{
  background:var(--paper); border:1px solid var(--line); border-radius:12px; padding:1.35rem 1.5rem 1.1rem;
  margin:0 0 1.25rem;
}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:0 0 1.25rem}
.card{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:.9rem 1.1rem}
section .card{background:var(--page)}
.card dt{color:var(--soft);font-size:.85rem}
.card dd{margin:.1rem 0 0;font-size:1.55rem;line-height:1.25;font-weight:620;font-variant-numeric:tabular-nums}
.card p{margin:.15rem 0 0;font-size:.85rem;color:var(--soft)}
.banner{
  display:flex; gap:.75rem; align-items:flex-start; border:1px solid var(--line);
  border-left:4px solid var(--tone); background:var(--paper); border-radius:10px; padding:.8rem 1.1rem;
  margin:0 0 1.25rem;
}
.banner p{margin:.1rem 0}
.banner.good{--tone:var(--good)}
.banner.warn{--tone:var(--warn)}
.banner.bad{--tone:var(--bad)}
.banner.note{--tone:var(--note)}
.sign{
  flex:none; width:1.45rem; height:1.45rem; line-height:1.45rem; text-align:center; border-radius:50%;
  background:var(--tone); color:var(--paper); font-size:.85rem; font-weight:700;
}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.93rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:0 0 .4rem;font-size:.9rem}
th,td{padding:.42rem .8rem .42rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
td{unicode-bidi:plaintext}
th{color:var(--soft);font-weight:550;font-size:.85rem;white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
.number{text-align:right;white-space:nowrap}
td.number+td:not(.number),th.number+th:not(.number){padding-left:.9rem}
figure{margin:0 0 1.1rem}
figcaption{font-size:.88rem;margin-top:.35rem;max-width:46rem}
img{max-width:100%;height:auto;border-radius:6px;background:var(--grid)}
.gallery{
  display:grid; grid-template-columns:repeat(auto-fill,minmax(min(8.4rem,100%),1fr)); gap:.9rem; align-items:start;
  margin:0 0 1rem;
}
.gallery figure{margin:0;min-width:0}
.gallery.narrow{grid-template-columns:repeat(auto-fill,5.3rem)}
.gallery img{display:block;width:100%;aspect-ratio:1;object-fit:contain}
.gallery.even img{aspect-ratio:auto}
.gallery figcaption{font-size:.78rem;line-height:1.3;overflow-wrap:anywhere;unicode-bidi:plaintext}
.gallery.pairs{grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr))}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(5.4rem,1fr));gap:.35rem;margin:0 0 1rem}
.sheet img{display:block;width:100%;aspect-ratio:1;object-fit:cover}
.columns{
  display:grid; grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr)); gap:1rem 2rem;
  align-items:start;
}
.facts{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.3rem 1.4rem;margin:0 0 1rem}
.facts dt{color:var(--soft)}
.facts dd{margin:0;min-width:0}
details{margin:.6rem 0 1rem}
summary{cursor:pointer;color:var(--link)}
svg{display:block;max-width:100%;height:auto;color:var(--ink);font-family:inherit}
svg a text{fill:var(--link)}
.swatches{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.85rem;color:var(--soft);max-width:none}
.swatch{display:inline-flex;align-items:center;gap:.4rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(16.5rem,100%),1fr));gap:.8rem;margin:0 0 1rem}
.tile{border:1px solid var(--line);border-radius:10px;padding:.7rem .85rem .5rem;background:var(--page);min-width:0}
.tile h3{margin:0 0 .1rem;font-size:.95rem;overflow-wrap:anywhere}
.tile p{margin:0 0 .35rem;font-size:.8rem;color:var(--soft);line-height:1.35}
.tile svg{width:100%;min-width:0}
.glance{list-style:none;margin:0 0 1.1rem;padding:0;display:grid;gap:.45rem}
.glance li{display:flex;gap:.65rem;align-items:flex-start}
.glance .good{--tone:var(--good)}
.glance .warn{--tone:var(--warn)}
.glance .bad{--tone:var(--bad)}
.glance .note{--tone:var(--note)}
.switches{border:0;padding:0;margin:0 0 .6rem;display:flex;flex-wrap:wrap;gap:.15rem .95rem;font-size:.87rem}
.switches legend{float:left;padding:0;margin-right:.9rem;color:var(--soft)}
.switches label{display:inline-flex;align-items:center;gap:.35rem;cursor:pointer}
.switches small{color:var(--soft)}
.switches input{accent-color:var(--link);margin:0}
.atlas .dots{fill-opacity:.78}
.atlas .rings{fill:none;stroke:var(--bad);stroke-width:1.8}
.atlas .rings circle{pointer-events:all}
.atlas .pictures g:hover rect{stroke:var(--ink);stroke-width:4}
.atlas:has(.fp:not(:checked)) .pictures,.atlas:has(.fr:not(:checked)) .rings{display:none}
$SWITCHES
.strip{display:flex;gap:.3rem;margin:.3rem 0 .4rem}
.strip img{min-width:0}
.turned{
  display:grid; grid-template-columns:minmax(0,16.5rem) auto minmax(0,1fr); gap:.8rem; align-items:start;
  margin:0 0 .6rem;
}
.turned .tiles{margin:0}
.arrow{color:var(--soft);align-self:center;font-size:1.3rem}
.pixels{image-rendering:pixelated}
audio{height:2.2rem;max-width:100%}
blockquote{margin:0;padding:.1rem 0 .1rem .9rem;border-left:3px solid var(--line);unicode-bidi:plaintext}
footer{font-size:.82rem;margin-top:2rem}
@media (max-width:40rem){
  .turned{grid-template-columns:1fr}
  body{padding:1.5rem .9rem 3rem}
  section{padding:1.1rem 1rem .8rem}
  h1{font-size:1.5rem}
  .scroll svg{max-width:36rem}
  td.long{min-width:13rem}
}
@media print{
  :root{--page:#fff;--paper:#fff;--ink:#000;--soft:#444;--line:#ccc;--grid:#ddd;$SERIES}
  body{max-width:none;padding:0;font-size:10.5pt}
  nav,footer{display:none}
  section,.card,.banner{break-inside:avoid;border-radius:0}
  section{border:0;border-top:1px solid #ccc;padding:1rem 0}
  .sign{-webkit-print-color-adjust:exact;print-color-adjust:exact}
  svg *{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
""".replace("$SERIES", _colours(SERIES, SPLITS))
    .replace("$DARK", _colours(_DARK, _SPLITS_DARK))
    .replace("$SWITCHES", _switches(16))
)
