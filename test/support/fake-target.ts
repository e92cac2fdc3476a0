import { z } from 'zod';
import type { Check, Manifest, Segment } from '../../src/backup/types.ts';
import { LifeboatError } from '../../src/errors.ts';
import type { Budget, Cursor, Part, Stage, StageInput, Tampering, Target, TaskContext } from '../../src/sources/contract.ts';
import type { Content, FakeDatabase, Session } from './fake-server.ts';
import { digestsOf, type FakePlace, inSession, placeOf, SLOWEST } from './fake-source.ts';

/** What every scratch database is called; nothing else is ever dropped. */
const SCRATCH = 'lifeboat-drill-';

type RestoreInput = Extract<StageInput, { kind: 'restore' }>;

export const fakeTarget = (place: FakePlace): Target => ({
  inspect: () =>
    inSession(place.server, async (session) => {
      await place.server.work(session, 10, 'inspect target');
      const found = place.server.databases.get(place.database);
      return {
        product: 'Fake',
        version: '1.0',
        place: placeOf(place),
        content: found?.identity ?? place.database,
        bytes: 0,
        problems: [],
        empty: found === undefined || (rowsIn(found.content) === 0 && found.marker === undefined),
        ...(found?.marker === undefined ? {} : { unfinished: found.marker.restore }),
      };
    }),
  stages: [prepare(place), load(place), finish(place)],
  loadArtifact: async (artifact, { overwrite }) => {
    const database = place.server.database(place.database);
    if (rowsIn(database.content) > 0 && !overwrite) throw notEmpty(place);
    const chunks: Uint8Array[] = [];
    for await (const chunk of artifact) chunks.push(chunk);
    const { content, end } = parseLines(Buffer.concat(chunks).toString('utf8'));
    if (end !== rowsIn(content)) throw new LifeboatError('ArtifactInvalid', 'the artifact was cut short', { hint: 'Copy it again.' });
    database.content = content;
    return { rows: String(end), checks: [] };
  },
  audit: audit(place),
  tamper: (manifest, seed, budget) => tamper(place, manifest, seed, budget),
  discard: single('discard', place, async () => {
    if (!place.database.startsWith(SCRATCH)) throw new LifeboatError('TargetUnusable', `${place.database} is no scratch database`);
    place.server.databases.delete(place.database);
  }),
});

const rowsIn = (content: Content): number => [...content.values()].reduce((sum, rows) => sum + rows.size, 0);

const notEmpty = (place: FakePlace): LifeboatError =>
  new LifeboatError('TargetNotEmpty', `${placeOf(place)} is not empty`, { hint: 'Use another one, or --overwrite.' });

const inputOf = (context: { readonly input: StageInput }): RestoreInput => {
  if (context.input.kind !== 'restore') throw new LifeboatError('RestoreFailed', 'a target takes part in restores alone');
  return context.input;
};

/** A stage of one task, whose effect is one commit. */
const single = (name: string, place: FakePlace, commit: (input: RestoreInput) => Promise<void> | void): Stage => ({
  name,
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  run: (_task, context) =>
    inSession(place.server, async (session) => {
      await place.server.work(session, 100, `${name} begins`);
      await commit(inputOf(context));
      await place.server.work(session, 0, `${name} has committed`);
      return { segments: [], digests: [] };
    }),
});

const prepare = (place: FakePlace): Stage =>
  single('prepare', place, (input) => {
    const { server, database } = place;
    if (input.scratch && !server.databases.has(database)) server.make(database);
    const found = server.database(database);
    if (found.marker?.restore === input.restore) return;
    const samePlace = placeOf(place) === input.manifest.source.place;
    const empty = rowsIn(found.content) === 0 && found.marker === undefined;
    if (samePlace && (input.overwrite || !empty)) throw new LifeboatError('TargetIsSource', `${placeOf(place)} is the source`);
    if (!empty && !input.overwrite)
      throw found.marker === undefined
        ? notEmpty(place)
        : new LifeboatError('TargetUnusable', `restore ${found.marker.restore} did not end`);
    found.content = new Map();
    found.marker = { restore: input.restore, loaded: new Set() };
  });

const finish = (place: FakePlace): Stage =>
  single('finish', place, () => {
    const found = place.server.database(place.database);
    // Made by the segment's class; an empty one has none.
    for (const [name, rows] of found.content) if (rows.size === 0) found.content.delete(name);
    found.marker = undefined;
  });

const markedBy = (place: FakePlace, restore: string): FakeDatabase & { readonly marker: NonNullable<FakeDatabase['marker']> } => {
  const found = place.server.database(place.database);
  const { marker } = found;
  if (marker?.restore !== restore)
    throw new LifeboatError('TargetUnusable', `${placeOf(place)} is not marked by ${restore}`, { hint: 'Restore into an empty one.' });
  return Object.assign(found, { marker });
};

const TaskSchema = z.strictObject({ segments: z.array(z.int()) });

const SEGMENTS_PER_TASK = 3;

const load = (place: FakePlace): Stage => ({
  name: 'load',
  mode: 'independent',
  async *plan(context) {
    const { segments } = inputOf(context).manifest;
    for (let from = 0; from < segments.length; from += SEGMENTS_PER_TASK)
      yield { task: { segments: segments.slice(from, from + SEGMENTS_PER_TASK).map((_, n) => from + n) } };
  },
  run: (json, context, resume) =>
    inSession(place.server, async (session) => {
      const { segments } = TaskSchema.parse(json);
      const input = inputOf(context);
      let done = resume === undefined ? 0 : Number(resume);
      const begun = done;
      while (done < segments.length && (done === begun || context.budget.remaining() > place.behaviour.segmentMs * SLOWEST)) {
        const segment = input.manifest.segments[segments[done] ?? 0];
        if (segment !== undefined) await loadSegment(place, session, segment, context);
        done += 1;
      }
      return { segments: [], digests: [], ...(done < segments.length ? { next: { cursor: String(done) as Cursor } } : {}) };
    }),
});

/** Its rows, and the note that they are here, in one commit. */
const loadSegment = async (place: FakePlace, session: Session, segment: Segment, context: TaskContext): Promise<void> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of context.read.read(segment)) chunks.push(chunk);
  const { content } = parseLines(Buffer.concat(chunks).toString('utf8'));
  await place.server.work(session, place.behaviour.segmentMs, 'load');
  const found = markedBy(place, inputOf(context).restore);
  if (found.marker.loaded.has(segment.key)) return;
  found.marker.loaded.add(segment.key);
  for (const [name, rows] of content) {
    const entries = [...rows].slice(place.behaviour.losesRows ? 1 : 0);
    const into = found.content.get(name) ?? new Map<string, string>();
    for (const [key, value] of entries) into.set(key, value);
    if (place.behaviour.addsRows) into.set(`${segment.ordinal} was never there`, '');
    found.content.set(name, into);
  }
  await place.server.work(session, 0, 'load has committed');
};

const RowSchema = z.tuple([z.string(), z.string(), z.string()]);

/** The artifact, or a part of it. */
export const parseLines = (text: string): { readonly content: Content; readonly end: number | undefined } => {
  const content: Content = new Map();
  let end: number | undefined;
  for (const line of text.split('\n')) {
    const [kind, rest = ''] = [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)];
    if (kind === 'end') end = Number(rest);
    if (kind !== 'row') continue;
    const [name, key, value] = RowSchema.parse(JSON.parse(rest));
    content.set(name, (content.get(name) ?? new Map()).set(key, value));
  }
  return { content, end };
};

const AuditTaskSchema = z.strictObject({ class: z.string().nullable() });

const audit = (place: FakePlace): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan() {
    if (place.behaviour.auditIsBlind) return;
    yield { task: { class: null } };
    for (const name of [...place.server.database(place.database).content.keys()].sort()) yield { task: { class: name } };
  },
  run: (json, context) =>
    inSession(place.server, async (session): Promise<Part> => {
      const task = AuditTaskSchema.parse(json);
      const { manifest } = inputOf(context);
      await place.server.work(session, place.behaviour.segmentMs, 'audit');
      if (place.behaviour.auditFailsWith !== undefined) throw place.behaviour.auditFailsWith;
      const { content, marker } = place.server.database(place.database);
      if (marker !== undefined) throw new LifeboatError('TargetUnusable', 'this database is not whole');
      if (task.class !== null) {
        const said = manifest.digests.filter(({ name }) => place.behaviour.auditLies && name === task.class);
        return { segments: [], digests: said.length > 0 ? said : await digestsOf([[task.class, [...(content.get(task.class) ?? [])]]]) };
      }
      const wanted = manifest.assertions.find(({ name }) => name === 'fake.rows')?.value ?? '';
      const actual = place.behaviour.auditLies ? wanted : String(rowsIn(content));
      const check = { name: 'fake.rows', expected: wanted, actual, ok: wanted === actual } satisfies Check;
      // A class without rows is one all the same.
      const empty = manifest.digests.filter(({ name, rows }) => rows === '0' && !content.has(name));
      return { segments: [], digests: empty, facts: { checks: [check] } };
    }),
});

/** Changes a value of one class and deletes a row of another, if there is one. */
const tamper = (place: FakePlace, manifest: Manifest, seed: number, budget: Budget): Promise<Tampering> =>
  inSession(place.server, async (session) => {
    budget.signal.throwIfAborted();
    if (!place.database.startsWith(SCRATCH)) throw new LifeboatError('TargetUnusable', `${place.database} is no scratch database`);
    await place.server.work(session, 100, 'tamper');
    const { content } = place.server.database(place.database);
    const names = manifest.digests.filter(({ rows }) => rows !== '0').map(({ name }) => name);
    const first = names[seed % names.length];
    const second = names[(seed + 1) % names.length];
    const classes: string[] = [];
    const what: string[] = [];
    const changed = first === undefined ? undefined : content.get(first);
    const [key, value] = [...(changed ?? [])][0] ?? [];
    if (first !== undefined && key !== undefined && !place.behaviour.tampersNothing) changed?.set(key, `${value}!`);
    if (first !== undefined) {
      classes.push(first);
      what.push(`changed one value of ${first}`);
    }
    if (second !== undefined && second !== first) {
      const [gone] = [...(content.get(second)?.keys() ?? [])];
      if (gone !== undefined && !place.behaviour.tampersNothing) content.get(second)?.delete(gone);
      classes.push(second);
      what.push(`deleted one row of ${second}`);
    }
    await place.server.work(session, 0, 'tamper has committed');
    return { what, classes };
  });
