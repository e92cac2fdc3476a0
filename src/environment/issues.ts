import type { z } from 'zod';

/** Issues that one message names; the rest is counted. */
const ISSUES_SHOWN = 5;

type Issue = z.core.$ZodIssue;

/** `sources.catalog.concurrency: expected number, received string`, one clause an issue. */
export const describeIssues = (error: z.ZodError, prefix = ''): string => {
  const clauses = error.issues.flatMap((issue) => clausesOf(issue, prefix));
  const more = clauses.length - ISSUES_SHOWN;
  return clauses.slice(0, ISSUES_SHOWN).join('; ') + (more > 0 ? `; and ${more} more` : '');
};

const clausesOf = (issue: Issue, prefix: string): string[] => {
  const path = [prefix, ...issue.path.map(String)].filter((part) => part !== '').join('.');
  const meant = issue.code === 'invalid_union' ? branchMeant(issue.errors) : undefined;
  if (meant !== undefined) return meant.flatMap((inner) => clausesOf(inner, path));
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${path === '' ? '' : `${path}.`}${key}: unknown field`);
  return [`${path === '' ? 'the document' : path}: ${lower(issue.message.replace(/^Invalid input: /, ''))}`];
};

/** Of the shapes that a field may have, the one that what is there comes closest to: where its mistakes lie deepest. */
const branchMeant = (branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined => {
  const depth = (issues: readonly Issue[]): number =>
    Math.max(0, ...issues.map(({ path, code }) => path.length + (code === 'unrecognized_keys' ? 1 : 0)));
  const [first, ...others] = branches.filter((issues) => issues.length > 0);
  return first === undefined ? undefined : others.reduce((best, issues) => (depth(issues) > depth(best) ? issues : best), first);
};

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
