import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escaped, html, TEXT_SHOWN_MAX, textOf } from '../../../src/drill/report/html.ts';
import { HOSTILE } from '../samples.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(...HOSTILE),
  fc.array(fc.constantFrom('<', '>', '&', '"', "'", '`', '\u202e', '\ud800')).map((parts) => parts.join('')),
);

describe('html', () => {
  it('escapes whatever is put into it, unless it is markup itself', () => {
    const inner = html`<b>${'<i>'}</b>`;
    expect(textOf(html`<p title="${'"&'}">${inner}${[inner, inner]}${undefined}${7}</p>`)).toBe(
      '<p title="&quot;&amp;"><b>&lt;i&gt;</b><b>&lt;i&gt;</b><b>&lt;i&gt;</b>7</p>',
    );
  });

  it('leaves no character in any text that could end text or an attribute, or that nobody can see', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(escaped(text)).not.toMatch(/[<>"'`]|&(?!(amp|lt|gt|quot|#39|#96);)|(?!\n)\p{Cc}|[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/u);
        expect(escaped(text).isWellFormed()).toBe(true);
      }),
    );
  });

  it('keeps text that harms nobody as it is', () => {
    expect(escaped('public.größe „表“ 😀\nزبان')).toBe('public.größe „表“ 😀\nزبان');
  });

  it('shows what cannot be seen, and says how much it left out', () => {
    expect(escaped('a\u202eb\u0000')).toBe('a\\u{202e}b\\u{0}');
    expect(escaped('x'.repeat(TEXT_SHOWN_MAX + 1234))).toBe(`${'x'.repeat(TEXT_SHOWN_MAX)} … (1,234 more characters)`);
    expect(escaped(`${'x'.repeat(TEXT_SHOWN_MAX - 1)}😀`).isWellFormed()).toBe(true);
  });
});
