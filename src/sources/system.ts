import { z } from 'zod';
import type { Json } from '../backup/types.ts';
import { describeIssues } from '../environment/issues.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Services, Source, SourceKind, Target } from './contract.ts';
import type { Members } from './members.ts';

/** An address bound to its kind: what the rest of Lifeboat handles, so that only the kind knows the address's type. */
export interface System {
  readonly kind: string;
  /** Plain JSON that `AnyKind.system` reads again. May hold a literal password: for memory only, never printed. */
  readonly address: Json;
  /** For people and records; never a secret. */
  readonly redacted: string;
  source(services: Services): Promise<Source>;
  target(services: Services): Promise<Target>;
  /** A throw-away system called `name` beside this one. Pure. */
  scratch(name: string): System;
  /** A system that somebody else restored, reached as this one is. Pure. Fails with Unsupported. */
  restored(resource: string): System;
}

/** A kind of source, whatever the type of its address. */
export interface AnyKind {
  readonly kind: string;
  readonly schemes: readonly string[];
  readonly addressSchema: z.ZodType;
  readonly artifact: SourceKind<unknown>['artifact'];
  /** Where drills restore to when nothing is configured. */
  readonly ownScratch: System | undefined;
  readonly verifyPool: SourceKind<unknown>['verifyPool'];
  readonly browse: SourceKind<unknown>['browse'];
  readonly members: BoundMembers | undefined;
  readonly holds: SourceKind<unknown>['holds'];
  /** Fails with ConfigInvalid, whose message names `path` and the field. */
  system(address: unknown, path: string): System;
  systemFromUrl(url: URL): System;
}

/** Members of a kind, whatever the type of its address. */
export interface BoundMembers {
  list(server: URL, services: Services): AsyncIterable<System>;
  /** Of an address as an environment has it. */
  committing(address: unknown): System;
  home(artifact: string, to: URL | undefined, options: { readonly ignoreStorageId: boolean }): Promise<System>;
}

const bindMembers = <Address>(kind: SourceKind<Address>, members: Members<Address>): BoundMembers => ({
  async *list(server, services) {
    for await (const address of members.list(server, services)) yield bind(kind, address);
  },
  committing: (address) => bind(kind, members.committing(kind.address.parse(address))),
  home: async (artifact, to, options) => bind(kind, await members.home(artifact, to, options)),
});

const bind = <Address>(kind: SourceKind<Address>, address: Address): System => ({
  kind: kind.kind,
  // Through text, so that fields that are undefined are absent.
  address: z.json().parse(parseJson(JSON.stringify(address))),
  redacted: kind.redact(address),
  source: (services) => kind.source(address, services),
  target: (services) => kind.target(address, services),
  scratch: (name) => bind(kind, kind.scratch(address, name)),
  restored: (resource) => {
    if (kind.restored === undefined)
      throw new LifeboatError('Unsupported', `nobody restores systems of the kind ${kind.kind} but Lifeboat`, {
        hint: 'Only those of kind rds.',
      });
    return bind(kind, kind.restored(address, resource));
  },
});

/** An unknown field is an error, also where the kind's own schema would drop it. */
const strict = <Address>(schema: z.ZodType<Address>): z.ZodType => (schema instanceof z.ZodObject ? schema.strict() : schema);

/** Hides the address type of a kind, so that kinds can stand in one list. */
export const anyKind = <Address>(kind: SourceKind<Address>): AnyKind => ({
  kind: kind.kind,
  schemes: kind.schemes,
  addressSchema: strict(kind.address),
  artifact: kind.artifact,
  ownScratch: kind.ownScratch === undefined ? undefined : bind(kind, kind.ownScratch),
  verifyPool: kind.verifyPool,
  browse: kind.browse,
  holds: kind.holds,
  members: kind.members === undefined ? undefined : bindMembers(kind, kind.members),
  system: (address, path) => {
    const checked = strict(kind.address).safeParse(address);
    if (!checked.success)
      throw new LifeboatError('ConfigInvalid', describeIssues(checked.error, path), {
        hint: 'environments/schema.json describes every field.',
      });
    return bind(kind, kind.address.parse(address));
  },
  systemFromUrl: (url) => bind(kind, kind.fromUrl(url)),
});
