/** What goes wrong, by plan. A rule applies to requests of one operation, `skip` of them left alone, then `times` of them hit. */
export interface FaultRule {
  /** As AWS calls it: PutObject, UploadPart, CompleteMultipartUpload, GetObject, … */
  readonly on: string;
  readonly key?: string | RegExp;
  readonly skip?: number;
  /** One, unless said otherwise. */
  readonly times?: number;
  readonly fault: Fault;
}

export type Fault =
  /** Answers an error; `after` carries the request out first. */
  | { readonly kind: 'error'; readonly status: number; readonly code: string; readonly message?: string; readonly after?: boolean }
  /** Closes the connection without an answer. */
  | { readonly kind: 'drop'; readonly after?: boolean }
  /** Never answers; the connection stays open. */
  | { readonly kind: 'hang'; readonly after?: boolean }
  | { readonly kind: 'slow'; readonly ms: number }
  /** PutObject, UploadPart, GetObject: the answer's checksum is not that of the bytes. */
  | { readonly kind: 'checksum' }
  /** GetObject: the connection breaks after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly bytes: number }
  /** GetObject: nothing more comes after so many bytes of the body. */
  | { readonly kind: 'stall'; readonly bytes: number }
  /** GetObject: the object seems to have only so many bytes. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** GetObject: one bit of this byte is another. */
  | { readonly kind: 'flip'; readonly at: number }
  /** ListObjectsV2: the page begins with keys that were asked to be left out. */
  | { readonly kind: 'repeat' };

export interface Faults {
  add(rule: FaultRule): void;
  clear(): void;
  /** The fault that hits this request, which counts as one. */
  take(operation: string, key: string): Fault | undefined;
  /** Rules that have not hit as often as planned: a test that meant to inject them tests nothing. */
  pending(): readonly FaultRule[];
}

export const faultScript = (): Faults => {
  let rules: { readonly rule: FaultRule; seen: number }[] = [];
  const last = ({ skip = 0, times = 1 }: FaultRule): number => skip + times;
  return {
    add: (rule) => void rules.push({ rule, seen: 0 }),
    clear: () => {
      rules = [];
    },
    take(operation, key) {
      for (const entry of rules) {
        const { rule } = entry;
        if (rule.on !== operation || !matches(rule.key, key) || entry.seen >= last(rule)) continue;
        entry.seen += 1;
        if (entry.seen > (rule.skip ?? 0)) return rule.fault;
      }
      return undefined;
    },
    pending: () => rules.filter(({ rule, seen }) => seen < last(rule)).map(({ rule }) => rule),
  };
};

const matches = (wanted: string | RegExp | undefined, key: string): boolean =>
  wanted === undefined || (typeof wanted === 'string' ? wanted === key : wanted.test(key));
