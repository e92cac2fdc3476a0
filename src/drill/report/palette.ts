/** The colours of the report. A test holds every text colour at WCAG AA (4.5:1) against each background that it lies on. */
export interface Palette {
  readonly paper: string;
  /** Behind folded lists and code. */
  readonly shade: string;
  readonly ink: string;
  readonly quiet: string;
  readonly rule: string;
  readonly passed: string;
  readonly failed: string;
  readonly unmeasured: string;
  /** Bars of what counts. */
  readonly bar: string;
  /** Bars of what is shown only for completeness. */
  readonly pale: string;
}

export const LIGHT: Palette = {
  paper: '#fdfdfc',
  shade: '#f4f4f1',
  ink: '#1c2024',
  quiet: '#5b636c',
  rule: '#d8dad6',
  passed: '#0a6640',
  failed: '#b4231a',
  unmeasured: '#855300',
  bar: '#33618f',
  pale: '#adb5bd',
};

export const DARK: Palette = {
  paper: '#15181b',
  shade: '#1d2125',
  ink: '#e4e6e8',
  quiet: '#9ea7b0',
  rule: '#32383e',
  passed: '#5cc493',
  failed: '#ff8b80',
  unmeasured: '#e2b04a',
  bar: '#7fb0e0',
  pale: '#58616a',
};
