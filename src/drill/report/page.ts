import { type Html, html, textOf } from './html.ts';
import { style } from './style.ts';

/** One file without a script, that loads nothing: its policy forbids both. */
export const page = (title: string, content: Html): string =>
  textOf(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${title} – Lifeboat</title>
${style()}
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`);
