import { type Html, html } from './html.ts';
import { DARK, LIGHT, type Palette } from './palette.ts';

const variables = (palette: Palette): Html[] => Object.entries(palette).map(([name, colour]) => html`--${name}:${colour};`);

/** The whole style sheet: system fonts, two schemes, one column on a phone, black on white on paper. */
export const style = (): Html => html`<style>
:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main{max-width:58rem;margin:0 auto;padding:clamp(1.5rem,5vw,4rem) clamp(1rem,4vw,2.5rem) 3rem}
h1,h2,h3,p,dl,dd,table,ul{margin:0}
a{color:inherit}
.passed{color:var(--passed)}.failed{color:var(--failed)}.unmeasured{color:var(--unmeasured)}.quiet{color:var(--quiet)}
code,.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86em;font-variant-ligatures:none}
bdi{unicode-bidi:isolate}
.icon{width:.82em;height:.82em;vertical-align:-.06em;flex:none}
.kicker{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;justify-content:space-between;padding-bottom:.75rem;border-bottom:1px solid var(--rule);font-size:.875rem;color:var(--quiet)}
h1{display:flex;align-items:center;gap:.3em;margin:2.25rem 0 .75rem;font-size:clamp(2.25rem,7vw,3.5rem);line-height:1.05;font-weight:650;letter-spacing:-.025em}
.lead{max-width:44rem;font-size:1.1875rem;line-height:1.5;text-wrap:pretty}
.lead+.lead{margin-top:.5rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(11.5rem,42%),1fr));gap:1.5rem 2rem;margin-top:2.25rem;padding-top:1.25rem;border-top:1px solid var(--rule)}
.figures dt{font-size:.875rem;color:var(--quiet)}
.figures dd{font-size:1.5rem;line-height:1.3;font-weight:600;letter-spacing:-.01em}
.figures dd.note{font-size:.875rem;line-height:1.4;font-weight:400;letter-spacing:0;color:var(--quiet)}
.figures dd.note.failed{color:var(--failed)}
.wrong{margin-top:2rem;padding:.125rem 0 .125rem 1.125rem;border-left:3px solid currentColor}
.wrong p{color:var(--ink)}.wrong .hint{margin-top:.25rem;color:var(--quiet)}.wrong h2{margin:0;font-size:1rem}
section{margin-top:3.25rem}
h2{margin-bottom:.5rem;font-size:1.1875rem;line-height:1.3;font-weight:620;letter-spacing:-.01em}
.intro{max-width:44rem;margin-bottom:1rem;color:var(--quiet);text-wrap:pretty}
table{width:100%;border-collapse:collapse;font-size:.9375rem;text-align:left}
caption{padding:0 0 .375rem;text-align:left;font-size:.875rem;color:var(--quiet)}
th,td{padding:.4375rem 1rem .4375rem 0;vertical-align:baseline;border-top:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:0}
thead th{border-top:0;font-size:.8125rem;font-weight:500;color:var(--quiet)}
tbody th,tfoot th{font-weight:400}
tfoot th,tfoot td{font-weight:600}
.number{text-align:right;white-space:nowrap}
.break{min-width:6rem}
.whole{white-space:nowrap}
svg text{fill:var(--quiet);font-size:.75rem}
.phases td.bar{width:58%;padding-top:.6875rem}
.bar svg{display:block;width:100%;height:.875rem;overflow:visible}
.fill{fill:var(--bar)}.fill-pale{fill:var(--pale)}.line{stroke:var(--ink);stroke-width:1.5}
.key{display:inline-block;width:.75em;height:.75em;margin-right:.375em;vertical-align:-.02em}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin-top:.625rem;font-size:.875rem;color:var(--quiet)}
.legend .icon{margin-right:.25em}
details{border-top:1px solid var(--rule)}
details:last-of-type{border-bottom:1px solid var(--rule)}
summary{padding:.5rem 0;cursor:pointer;font-size:.9375rem}
summary:focus-visible{outline:2px solid var(--bar);outline-offset:2px}
details[open]>summary{font-weight:600}
details>table,details>div{margin:.125rem 0 1.25rem}
.compared th:first-child{width:42%}
div+div>table,.list+table{margin-top:1.75rem}
div+details,.legend+details{margin-top:1.25rem}
.classes .number{padding-right:2rem}
.label{color:var(--quiet);margin-right:.375em}
.pair{display:inline-block;margin-right:1.25rem}
.list{padding:0;list-style:none}
.list li{padding:.4375rem 0;border-top:1px solid var(--rule)}
.strip{display:block;width:100%;height:7.5rem;overflow:visible}
.strip .goal{stroke:var(--quiet);stroke-width:1;stroke-dasharray:3 3}
.strip .base{stroke:var(--rule);stroke-width:1}
.strip g{fill:currentColor}.strip rect{fill-opacity:.42}.strip .now rect{fill-opacity:1}
.ends{display:flex;justify-content:space-between;gap:1rem;margin-top:.25rem;font-size:.8125rem;color:var(--quiet)}
.facts{display:grid;grid-template-columns:minmax(9rem,13rem) 1fr;font-size:.9375rem}
.facts dt,.facts dd{padding:.4375rem 0;border-top:1px solid var(--rule)}
.facts dt{padding-right:1rem;color:var(--quiet)}
.facts dd code{white-space:pre-wrap}
.scope{margin-top:3.25rem;padding:1rem 1.25rem;background:var(--shade);font-size:.9375rem}
footer{margin-top:2rem;font-size:.8125rem;line-height:1.6;color:var(--quiet)}
@media (max-width:36rem){
.facts{grid-template-columns:1fr}.facts dt{padding-bottom:0}.facts dd{border-top:0;padding-top:0}
.wide,.wide caption,.wide tbody,.wide tr,.wide th,.wide td{display:block}.wide thead{display:none}
.wide tr{padding:.5rem 0;border-top:1px solid var(--rule)}.wide th,.wide td{padding:0;border:0}.wide th{font-weight:600}
.wide .number{text-align:left}.wide td[data-head]::before{content:attr(data-head) " ";font:.875rem system-ui,sans-serif;color:var(--quiet)}
.wide caption{padding-bottom:.5rem}
.phases td.bar{width:38%}
}
@media print{
:root{${variables(LIGHT)}--paper:#fff}
html{font-size:11px}body{background:none}main{max-width:none;padding:0}section{margin-top:2rem}
h2,summary,thead{break-after:avoid}tr,.wrong,.figures,.scope{break-inside:avoid}
tfoot{display:table-row-group}.screen{display:none}
details::details-content{content-visibility:visible;block-size:auto}
svg,.key,.scope{print-color-adjust:exact;-webkit-print-color-adjust:exact}
@page{margin:18mm 16mm}
}
</style>`;
