import type { Json } from '../../../../backup/types.ts';
import type { Loose } from './task.ts';

/** Settings of version 1, with the names and rules of later ones. Facets become both filters and sorts. */
export const settingsOfV1 = (settings: Loose, notes: Set<string>): Loose => {
  const { attributesForFaceting, rankingRules, ...rest } = settings;
  return {
    ...rest,
    ...(rankingRules === undefined ? {} : { rankingRules: rulesOf(rankingRules, notes) }),
    ...(attributesForFaceting === undefined || attributesForFaceting === null
      ? {}
      : { filterableAttributes: attributesForFaceting, sortableAttributes: attributesForFaceting }),
  };
};

const NAMES_OF_V1: Readonly<Record<string, string>> = {
  ranking_rules: 'rankingRules',
  distinct_attribute: 'distinctAttribute',
  searchable_attributes: 'searchableAttributes',
  displayed_attributes: 'displayedAttributes',
  stop_words: 'stopWords',
  synonyms: 'synonyms',
  attributes_for_faceting: 'attributesForFaceting',
};

/** Settings as an update of version 1 had them: each "Nothing", "Clear", or {"Update": value}. */
export const settingsUpdateOfV1 = (update: Loose, notes: Set<string>): Loose =>
  settingsOfV1(
    Object.fromEntries(
      Object.entries(update).flatMap(([name, state]): [string, Json][] => {
        const known = NAMES_OF_V1[name];
        if (known === undefined || state === 'Nothing') return [];
        if (state === 'Clear') return [[known, null]];
        return isLoose(state) && state['Update'] !== undefined ? [[known, state['Update']]] : [];
      }),
    ),
    notes,
  );

/** Settings of version 2: rules that sort by an attribute had another form before 0.22. */
export const settingsOfV2 = (settings: Loose, notes: Set<string>): Loose =>
  settings['rankingRules'] === undefined ? settings : { ...settings, rankingRules: rulesOf(settings['rankingRules'], notes) };

const rulesOf = (rules: Json, notes: Set<string>): Json => (Array.isArray(rules) ? rules.flatMap((rule) => ruleOf(rule, notes)) : rules);

const ruleOf = (rule: Json, notes: Set<string>): string[] => {
  if (isLoose(rule)) {
    const [[order, attribute] = []] = Object.entries(rule);
    return (order === 'Asc' || order === 'Desc') && typeof attribute === 'string' ? [`${attribute}:${order.toLowerCase()}`] : [];
  }
  if (typeof rule !== 'string') return [];
  if (/^wordsPosition$/i.test(rule)) {
    notes.add('the ranking rule wordsPosition is gone since 0.21: it was left out');
    return [];
  }
  const sorted = /^(asc|desc)\((.*)\)$/.exec(rule);
  return [sorted === null ? lowerFirst(rule) : `${sorted[2]}:${sorted[1]}`];
};

const lowerFirst = (text: string): string => (/^[A-Z]/.test(text) ? text.toLowerCase() : text);

export const isLoose = (value: Json | undefined): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value);
