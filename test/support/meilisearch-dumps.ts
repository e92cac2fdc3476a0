import { gzipSync } from 'node:zlib';

/** A small dump of each version, made here: an index `films` with two documents, and what else that version has. */

export const UUID = '684b4662-e3c3-4440-8d57-07ee42b0b901';
const FILE = '3b12a971-bca2-4716-9889-36ffb715ae1d';
const AT = ['2022-10-06T12:53:38.7Z', '2022-10-06T12:53:39.5Z', '2022-10-06T12:53:40.1Z'] as const;

export const DOCUMENTS = '{"id":1,"title":"Nausicaa","big":9007199254740993,"one":1.0}\n{"id":2,"title":"Totoro"}\n';
const WAITING = ['{"id":3,"title":"Porco \\" ] }"}', '{"id":4,"x":1.50}'];

const lines = (values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const settings = { rankingRules: ['words', 'asc(year)'], stopWords: ['the'], filterableAttributes: ['year'] };

export type Files = Readonly<Record<string, string | Buffer>>;

const metadata = (version: number, dbVersion: string, more: object = { dumpDate: AT[2] }): Files => ({
  'metadata.json': JSON.stringify({ dumpVersion: `V${version}`, dbVersion, ...more }),
});

const addition = { primary_key: 'id', merge_strategy: 'ReplaceDocuments', documents_count: 2, allow_index_creation: true };
const tasksOf = (version: 4 | 5) => {
  const own = version === 4 ? { index_uid: 'films' } : {};
  const within = version === 4 ? {} : { index_uid: 'films' };
  const ended = (result: unknown) => [
    { Created: AT[0] },
    { Batched: { timestamp: AT[0], batch_id: 0 } },
    { Processing: AT[1] },
    { [version === 4 ? 'Succeded' : 'Succeeded']: { result, timestamp: AT[2] } },
  ];
  const failed = [
    { Created: AT[0] },
    { Processing: AT[1] },
    { Failed: { error: { message: 'm', code: 'c', type: 'invalid_request', link: 'l' }, timestamp: AT[2] } },
  ];
  return [
    ...(version === 5
      ? [{ id: 6, content: { Dump: { uid: '20221006-125340' } }, events: [{ Created: AT[1] }, { Processing: AT[2] }] }]
      : []),
    { id: 5, ...own, content: { DocumentAddition: { ...within, ...addition, content_uuid: FILE } }, events: [{ Created: AT[1] }] },
    {
      id: 4,
      ...own,
      content: version === 4 ? { DocumentDeletion: { Ids: ['7'] } } : { DocumentDeletion: { ...within, deletion: { Ids: ['7'] } } },
      events: ended({ DocumentDeletion: { deleted_documents: 0 } }),
    },
    { id: 3, ...own, content: { IndexCreation: { ...within, primary_key: 'id' } }, events: failed },
    {
      id: 2,
      ...own,
      content: version === 4 ? { DocumentDeletion: 'Clear' } : { DocumentDeletion: { ...within, deletion: 'Clear' } },
      events: ended({ ClearAll: { deleted_documents: 1 } }),
    },
    {
      id: 1,
      ...own,
      content: { SettingsUpdate: { ...within, settings: { stopWords: ['the'] }, is_deletion: false, allow_index_creation: true } },
      events: ended('Other'),
    },
    {
      id: 0,
      ...own,
      content: { DocumentAddition: { ...within, ...addition, content_uuid: 'gone' } },
      events: ended({ DocumentAddition: { indexed_documents: 2 } }),
    },
  ];
};

const key = { description: 'd', actions: ['search', 'dumps.get'], indexes: ['*'], expires_at: null, created_at: AT[0], updated_at: AT[0] };
const V5_KEY = '192e54ae-32f8-4c61-85f5-eb2b1b255629';

const later = (version: 4 | 5): Files => ({
  ...metadata(version, version === 4 ? '0.27.2' : '0.29.0'),
  'index_uuids/data.jsonl': lines([{ uid: 'films', index_meta: { uuid: UUID, creation_task_id: 0 } }]),
  [`indexes/${UUID}/meta.json`]: JSON.stringify({ settings: { ...settings, rankingRules: ['words', 'year:asc'] }, primary_key: 'id' }),
  [`indexes/${UUID}/documents.jsonl`]: DOCUMENTS,
  'updates/data.jsonl': lines(tasksOf(version)),
  [`updates/updates_files/${FILE}`]: `${WAITING.join('\n')}\n`,
  keys: lines([version === 4 ? { ...key, id: [1, 2, 3, 4, 5, 6, 7, 8] } : { ...key, uid: V5_KEY, name: 'n' }]),
  'instance-uid': '9e15e977-f2ae-4761-943f-1eaf75fd736d',
});

const updates = (version: 2 | 3) => {
  const meta = (of: object) =>
    version === 2
      ? { meta: { type: 'DocumentsAddition', method: 'ReplaceDocuments', format: 'Json', primary_key: null, ...of } }
      : { meta: { DocumentAddition: { primary_key: null, method: 'ReplaceDocuments', content_uuid: FILE, ...of } } };
  const times = { enqueuedAt: AT[0], startedProcessingAt: AT[1] };
  const failure =
    version === 2
      ? {
          error: { message: 'missing primary key', errorCode: 'missing_primary_key', errorType: 'invalid_request_error', errorLink: 'l' },
          failedAt: AT[1],
        }
      : { msg: 'missing primary key', code: 'MissingPrimaryKey', failedAt: AT[1] };
  return [
    {
      uuid: UUID,
      update: {
        status: 'processed',
        updateId: 0,
        ...meta({}),
        ...times,
        success: { DocumentsAddition: { nb_documents: 2 } },
        processedAt: AT[1],
        ...(version === 2 ? { content: null } : {}),
      },
    },
    { uuid: UUID, update: { status: 'failed', updateId: 1, ...meta({}), ...times, ...failure } },
    {
      uuid: UUID,
      update: {
        status: 'processed',
        updateId: 2,
        meta: version === 2 ? { type: 'Settings', rankingRules: ['asc(year)'] } : { Settings: { rankingRules: ['year:asc'] } },
        ...times,
        success: 'Other',
        processedAt: AT[2],
      },
    },
    {
      uuid: UUID,
      update: {
        status: 'processed',
        updateId: 3,
        meta: version === 2 ? { type: 'DeleteDocuments', ids: ['7'] } : { DeleteDocuments: ['7'] },
        ...times,
        success: { DocumentDeletion: { deleted: 1 } },
        processedAt: AT[2],
      },
    },
    {
      uuid: UUID,
      update: {
        status: 'aborted',
        updateId: 4,
        meta: version === 2 ? { type: 'ClearDocuments' } : 'ClearDocuments',
        ...times,
        abortedAt: AT[2],
      },
    },
    { uuid: 'gone', update: { status: 'enqueued', updateId: 0, ...meta({}), enqueuedAt: AT[0] } },
    {
      uuid: 'gone',
      update: {
        status: 'processed',
        updateId: 1,
        meta: version === 2 ? { type: 'ClearDocuments' } : 'ClearDocuments',
        ...times,
        success: 'Other',
        processedAt: AT[1],
      },
    },
    {
      uuid: UUID,
      update: { status: 'enqueued', updateId: 5, ...meta({}), enqueuedAt: AT[1], ...(version === 2 ? { content: FILE } : {}) },
    },
  ];
};

const earlier = (version: 2 | 3): Files => {
  const folder = version === 2 ? `indexes/index-${UUID}` : `indexes/${UUID}`;
  return {
    ...metadata(version, version === 2 ? '0.21.1' : '0.24.0'),
    'index_uuids/data.jsonl': lines([{ uuid: UUID, uid: 'films' }]),
    [`${folder}/meta.json`]: JSON.stringify({
      settings: version === 2 ? settings : { ...settings, rankingRules: ['words', 'year:asc'] },
      primary_key: 'id',
    }),
    [`${folder}/documents.jsonl`]: DOCUMENTS,
    'updates/data.jsonl': lines(updates(version)),
    [version === 2 ? `updates/update_files/update_${FILE}` : `updates/updates_files/${FILE}`]:
      version === 2 ? `[\n  ${WAITING.join(',\n  ')}\n]` : WAITING.join('\n'),
  };
};

const first: Files = {
  ...metadata(1, '0.20.0', { indexes: [{ name: 'films', uid: 'films', createdAt: AT[0], updatedAt: AT[1], primaryKey: 'id' }] }),
  'films/settings.json': JSON.stringify({
    rankingRules: ['typo', 'wordsPosition', 'desc(year)'],
    attributesForFaceting: ['year'],
    stopWords: ['the'],
  }),
  'films/documents.jsonl': DOCUMENTS,
  'films/updates.jsonl': lines([
    {
      status: 'processed',
      updateId: 0,
      type: { name: 'DocumentsAddition', number: 2 },
      duration: 0.5,
      enqueuedAt: AT[0],
      processedAt: AT[1],
    },
    {
      status: 'failed',
      updateId: 1,
      type: {
        name: 'Settings',
        settings: { ranking_rules: { Update: ['Typo', 'WordsPosition', { Asc: 'year' }] }, stop_words: 'Clear', synonyms: 'Nothing' },
      },
      error: 'no',
      errorType: 'invalid_request_error',
      errorCode: 'invalid_facet',
      errorLink: 'l',
      duration: 0,
      enqueuedAt: AT[0],
      processedAt: AT[1],
    },
    { status: 'processed', updateId: 2, type: { name: 'Customs' }, duration: 0, enqueuedAt: AT[0], processedAt: AT[1] },
    { status: 'enqueued', updateId: 3, type: { name: 'DocumentsAddition', number: 100 }, enqueuedAt: AT[1] },
  ]),
};

const latest: Files = {
  ...metadata(6, '1.50.0'),
  'keys.jsonl': lines([{ ...key, actions: ['search'], uid: V5_KEY, name: 'n' }]),
  'tasks/queue.jsonl': '',
  'indexes/films/metadata.json': JSON.stringify({ uid: 'films', primaryKey: 'id', createdAt: AT[0], updatedAt: AT[1] }),
  'indexes/films/settings.json': '{}',
  'indexes/films/documents.jsonl': DOCUMENTS,
};

export const filesOf = (version: 1 | 2 | 3 | 4 | 5 | 6): Files =>
  version === 6 ? latest : version === 1 ? first : version === 2 || version === 3 ? earlier(version) : later(version);

export const dumpOf = (version: 1 | 2 | 3 | 4 | 5 | 6): Buffer => gzipSync(tarOf(filesOf(version)));

/** A plain ustar archive, by another hand than that of the product. */
export const tarOf = (files: Files): Buffer => {
  const parts: Buffer[] = [];
  for (const [name, content] of Object.entries(files)) {
    const body = Buffer.from(content);
    parts.push(tarHeader(name, body.length), body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
};

export const tarHeader = (name: string, size: number, type = '0', link = ''): Buffer => {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
};
