import { z } from 'zod';
import type { Json } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Conclusion, StageContext } from '../contract.ts';
import {
  type Details,
  type DocumentsFacts,
  DumpFactsSchema,
  type FileFactsSchema,
  type InstanceFacts,
  MISSING_NAMED,
} from './dump-facts.ts';
import { guideOf } from './guide.ts';

/** Names in a sentence; more are counted. */
const NAMED = 10;

interface Gathered {
  instance?: InstanceFacts;
  file?: z.output<typeof FileFactsSchema>;
  documents: DocumentsFacts[];
  redacted: number;
  readonly missing: string[];
}

/** Computed from receipts alone: whether all indexes were read at one instant, or each at its own. */
export const concludeDump = async (context: StageContext): Promise<Conclusion> => {
  const gathered: Gathered = { documents: [], redacted: 0, missing: [] };
  for await (const receipt of context.receipts('dump')) {
    const facts = DumpFactsSchema.parse(receipt.facts);
    if (facts.kind === 'instance') gathered.instance = facts;
    if (facts.kind === 'file' && facts.version !== '') gathered.file = facts;
    if (facts.kind === 'documents') gathered.documents.push(facts);
    if (facts.kind !== 'settings') continue;
    gathered.redacted += facts.redacted;
    gathered.missing.push(...facts.missing);
  }
  if (gathered.file !== undefined) return serverDump(gathered.file);
  if (gathered.instance === undefined) throw new LifeboatError('BackupIncomplete', 'the receipts of the dump lack those of the instance');
  return apiDump(gathered.instance, gathered);
};

const apiDump = (instance: InstanceFacts, { documents, redacted, missing: ofIndexes }: Gathered): Conclusion => {
  const changed = [
    ...new Set(documents.filter(({ updatedAt, planned, reads }) => updatedAt !== planned || reads > 1).map(({ index }) => index)),
  ];
  const quiesced = changed.length === 0 && instance.waiting === 0;
  const { version, keyPrint } = instance;
  const missing = [...ofIndexes, ...instance.missing].slice(0, MISSING_NAMED);
  const details: Details = { mode: 'api', version, keyPrint, secrets: { holds: instance.holds, missing }, indexes: indexesOf(documents) };
  return {
    pointInTime: {
      consistency: quiesced ? 'quiesced' : 'fuzzy',
      at: instance.at,
      token: { mode: 'api', changed: changed.slice(0, NAMED), changedIndexes: changed.length, waiting: instance.named },
    },
    artifact: { format: 'Meilisearch dump v6', restoreWith: 'meilisearch --import-dump' },
    assertions: instance.assertions,
    details: json(details),
    notIncluded: { ...instance.notIncluded, ...(redacted === 0 ? {} : { 'redacted secrets of embedders': String(redacted) }) },
    guide: guideOf({ version, mode: 'api', keys: instance.keys, holds: instance.holds, missing, changed }),
  };
};

const serverDump = (file: z.output<typeof FileFactsSchema>): Conclusion => ({
  pointInTime: { consistency: 'snapshot', at: file.at, token: { mode: 'server', dumpUid: file.dumpUid } },
  artifact: { format: 'Meilisearch dump v6', restoreWith: 'meilisearch --import-dump' },
  // No route takes them: whoever restores over HTTP is told that nobody looked.
  assertions: file.waiting === 0 ? [] : [{ name: 'tasks that waited', value: String(file.waiting) }],
  details: json({ mode: 'server', version: file.version, keyPrint: null, secrets: { holds: file.holds, missing: [] }, indexes: [] }),
  notIncluded: {},
  guide: guideOf({ version: file.version, mode: 'server', keys: file.keys, holds: file.holds, missing: [], changed: [] }),
});

const indexesOf = (documents: readonly DocumentsFacts[]): Details['indexes'] => [
  ...new Map(documents.map(({ index, primaryKey, updatedAt }) => [index, { uid: index, primaryKey, updatedAt }])).values(),
];

const json = (details: Details): Json => z.json().parse(details);
