import { describe, expect, it } from 'vitest';
import { DARK, LIGHT } from '../../../src/drill/report/palette.ts';

/** WCAG 2.2: AA for text of any size, and for graphics that carry meaning. */
const TEXT_CONTRAST_MIN = 4.5;
const GRAPHICS_CONTRAST_MIN = 3;

const luminance = (colour: string): number => {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const contrast = (a: string, b: string): number => {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
};

describe.each([
  ['light', LIGHT],
  ['dark', DARK],
])('%s', (_, palette) => {
  it.each(['ink', 'quiet', 'passed', 'failed', 'unmeasured'] as const)('%s can be read on paper and on shade', (colour) => {
    expect(contrast(palette[colour], palette.paper)).toBeGreaterThanOrEqual(TEXT_CONTRAST_MIN);
    expect(contrast(palette[colour], palette.shade)).toBeGreaterThanOrEqual(TEXT_CONTRAST_MIN);
  });

  it('shows its bars', () => {
    expect(contrast(palette.bar, palette.paper)).toBeGreaterThanOrEqual(GRAPHICS_CONTRAST_MIN);
    expect(contrast(palette.bar, palette.pale)).toBeGreaterThan(1.5);
  });
});

it('measures contrast as WCAG does', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
  expect(contrast('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
});
