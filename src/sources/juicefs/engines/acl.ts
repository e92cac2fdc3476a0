import type { Acl, AclEntry } from '../model.ts';
import { binary, type SqlRow, small } from './sql.ts';

/** A user or a group in a rule: id u32, permissions u16. */
const RECORD_BYTES = 6;

/** id, owner, group, mask, other, named users, named groups. */
export const aclFromRow = (row: SqlRow): Acl => ({
  owner: small(row[1]),
  group: small(row[2]),
  mask: small(row[3]),
  other: small(row[4]),
  users: unpackAcl(binary(row[5])),
  groups: unpackAcl(binary(row[6])),
});

export const unpackAcl = (bytes: Uint8Array): AclEntry[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: AclEntry[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES)
    entries.push({ id: view.getUint32(at), perm: view.getUint16(at + 4) });
  return entries;
};

export const packAcl = (entries: readonly AclEntry[]): Uint8Array => {
  const bytes = Buffer.alloc(entries.length * RECORD_BYTES);
  for (const [i, { id, perm }] of entries.entries()) {
    bytes.writeUInt32BE(id, i * RECORD_BYTES);
    bytes.writeUInt16BE(perm, i * RECORD_BYTES + 4);
  }
  return bytes;
};

/** Equal for equal rules. */
export const aclKey = ({ owner, group, mask, other, users, groups }: Acl): string =>
  [
    owner,
    group,
    mask,
    other,
    users.map(({ id, perm }) => `${id}:${perm}`).join(),
    groups.map(({ id, perm }) => `${id}:${perm}`).join(),
  ].join('/');
