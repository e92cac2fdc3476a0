import { LifeboatError } from '../errors.ts';
import { type Calendar, calendarIn } from './calendar.ts';
import type { CatalogEntry } from './catalog.ts';

/** How many backups to keep. The rules add up: what any of them keeps stays. */
export interface RetentionPolicy {
  /** The newest ones. */
  readonly last?: number | undefined;
  /** The newest of each day, week or month that has one; days without a backup do not count. */
  readonly daily?: number | undefined;
  readonly weekly?: number | undefined;
  readonly monthly?: number | undefined;
  /** Never fewer than these, whatever the rules say. */
  readonly minimum?: number | undefined;
}

export interface RetentionOptions {
  /** An IANA name, `UTC` when absent. */
  readonly timezone?: string | undefined;
  /** Backups that failed since the newest that is there. */
  readonly recentFailures?: number | undefined;
}

/** What retention looks at; entries of the catalogue have it, with or without their manifests. */
export type Retained = Pick<CatalogEntry, 'source' | 'backup' | 'state' | 'recordedAt' | 'proof'>;

export interface RetentionPlan<Entry extends Retained> {
  /** Newest first. */
  readonly keep: readonly { readonly entry: Entry; readonly why: readonly string[] }[];
  /** Oldest first. */
  readonly remove: readonly Entry[];
  /** Why nothing is removed, whatever the policy says, by source. */
  readonly frozen: Readonly<Record<string, string>>;
}

/** Clocks differ by this much at most; a backup that was started later than that says so wrongly. */
const CLOCK_SKEW_MS = 60 * 60 * 1000;

const RULE_MAX = 10_000;
const RULES = ['last', 'daily', 'weekly', 'monthly'] as const;

/**
 * What to keep and what to remove, each source for itself, by the time recorded in the manifests. Never removed are the newest proven
 * backup, what cannot be read, and what claims to be from the future (it does not count either, so a flood of such backups
 * evicts nothing). While the newest backups fail, nothing is. Fails with RetentionRefused on a policy that keeps nothing.
 */
export const planRetention = <Entry extends Retained>(
  entries: readonly Entry[],
  policy: RetentionPolicy,
  now: Date,
  options: RetentionOptions = {},
): RetentionPlan<Entry> => {
  checkPolicy(policy);
  const calendar = calendarIn(options.timezone ?? 'UTC');
  const plans = [...Map.groupBy(entries, (entry) => entry.source).values()].map((own) => planSource(own, policy, now, calendar, options));
  return {
    keep: plans.flatMap((plan) => plan.keep),
    remove: plans.flatMap((plan) => plan.remove),
    frozen: Object.assign({}, ...plans.map((plan) => plan.frozen)),
  };
};

const checkPolicy = (policy: RetentionPolicy): void => {
  const hint = 'Say how many to keep, like {"last": 7, "weekly": 4}; leave retention out to keep everything.';
  for (const rule of [...RULES, 'minimum'] as const) {
    const count = policy[rule];
    if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= RULE_MAX))
      throw new LifeboatError('RetentionRefused', `retention keeps ${rule} ${count}: it must be 1 to ${RULE_MAX}`, { hint });
  }
  if (RULES.every((rule) => policy[rule] === undefined))
    throw new LifeboatError('RetentionRefused', 'retention has none of last, daily, weekly and monthly: it would keep nothing', { hint });
};

const planSource = <Entry extends Retained>(
  entries: readonly Entry[],
  policy: RetentionPolicy,
  now: Date,
  calendar: Calendar,
  options: RetentionOptions,
): RetentionPlan<Entry> => {
  const newestFirst = [...entries].sort((a, b) => timeOf(b) - timeOf(a) || (a.backup < b.backup ? 1 : -1));
  const isFuture = (entry: Entry): boolean => timeOf(entry) > now.getTime() + CLOCK_SKEW_MS;
  const counted = newestFirst.filter((entry) => entry.state === 'sound' && !isFuture(entry));
  const why = new Map<Entry, string[]>(newestFirst.map((entry) => [entry, []]));
  const keep = (entry: Entry | undefined, reason: string): void => {
    if (entry !== undefined) why.get(entry)?.push(reason);
  };

  for (const entry of newestFirst) {
    if (entry.state === 'broken') keep(entry, 'its manifest cannot be read');
    else if (isFuture(entry)) keep(entry, 'its time is in the future');
  }
  keep(
    counted.find((entry) => entry.proof.state === 'PASSED'),
    'newest proven',
  );
  keep(
    counted.find((entry) => entry.proof.passedAt !== undefined && entry.proof.state !== 'PASSED'),
    'newest that a drill passed once',
  );
  for (const entry of counted.slice(0, policy.last ?? 0)) keep(entry, `last ${policy.last}`);
  keepNewestOfEach('daily', policy.daily, calendar.day);
  keepNewestOfEach('weekly', policy.weekly, calendar.week);
  keepNewestOfEach('monthly', policy.monthly, calendar.month);
  keepMinimum();
  const frozen = whyFrozen(newestFirst, counted, options);
  if (frozen !== undefined) for (const [entry, reasons] of why) if (reasons.length === 0) keep(entry, frozen);

  return {
    keep: newestFirst.flatMap((entry) => {
      const reasons = why.get(entry) ?? [];
      return reasons.length === 0 ? [] : [{ entry, why: reasons }];
    }),
    remove: newestFirst.filter((entry) => why.get(entry)?.length === 0).reverse(),
    frozen: frozen === undefined || entries[0] === undefined ? {} : { [entries[0].source]: frozen },
  };

  function keepNewestOfEach(rule: string, count: number | undefined, periodOf: (at: Date) => string): void {
    const seen = new Set<string>();
    for (const entry of counted) {
      const period = periodOf(new Date(Math.min(timeOf(entry), now.getTime())));
      if (seen.has(period)) continue;
      if (seen.size >= (count ?? 0)) return;
      seen.add(period);
      keep(entry, `${rule} ${period}`);
    }
  }

  function keepMinimum(): void {
    const minimum = policy.minimum ?? 1;
    let kept = counted.filter((entry) => why.get(entry)?.length !== 0).length;
    for (const entry of counted) {
      if (kept >= minimum) return;
      if (why.get(entry)?.length !== 0) continue;
      keep(entry, `minimum ${minimum}`);
      kept += 1;
    }
  }
};

/** While the newest backups are bad, the old ones are all that there is. */
const whyFrozen = (newestFirst: readonly Retained[], counted: readonly Retained[], options: RetentionOptions): string | undefined => {
  const [newestSound] = counted;
  const broken = newestFirst.find((entry) => entry.state === 'broken');
  const [lastDrilled] = newestFirst
    .filter((entry) => entry.proof.at !== undefined && entry.state === 'sound')
    .sort((a, b) => Date.parse(b.proof.at ?? '') - Date.parse(a.proof.at ?? ''));
  const failures = options.recentFailures ?? 0;
  if (failures > 0) return `nothing is removed: ${failures === 1 ? 'a backup' : `${failures} backups`} failed since the newest`;
  if (broken !== undefined && (newestSound === undefined || timeOf(broken) >= timeOf(newestSound)))
    return `nothing is removed: backup ${broken.backup} is newer than every good one and cannot be read`;
  if (lastDrilled?.proof.state === 'FAILED') return `nothing is removed: the newest drill, of backup ${lastDrilled.backup}, failed`;
  return undefined;
};

const timeOf = (entry: Retained): number => Date.parse(entry.recordedAt);
