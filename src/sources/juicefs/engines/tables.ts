/** The tables of a volume as juicefs 1.4 makes them, for all three SQL engines. */

export type ColumnType = 'id64' | 'id32' | 'i64' | 'i32' | 'bytes' | 'filename' | 'target' | 'label' | 'text';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable?: true;
  readonly initial?: '0';
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  readonly unique?: { readonly name: string; readonly columns: readonly string[] };
  readonly index?: string;
}

const column = (name: string, type: ColumnType): Column => ({ name, type });
const nullable = (name: string, type: ColumnType): Column => ({ name, type, nullable: true });
const zero = (name: string, type: ColumnType): Column => ({ name, type, initial: '0' });
const numbers = (...names: string[]): Column[] => names.map((name) => column(name, 'i64'));
const table = (name: string, key: readonly string[], columns: readonly Column[], more: Pick<Table, 'unique' | 'index'> = {}): Table => ({
  name,
  key,
  columns,
  ...more,
});

export const TABLES: readonly Table[] = [
  table('setting', ['name'], [column('name', 'label'), column('value', 'text')]),
  table('counter', ['name'], [column('name', 'label'), column('value', 'i64')]),
  table(
    'edge',
    ['id'],
    [column('id', 'id64'), column('parent', 'i64'), column('name', 'filename'), column('inode', 'i64'), column('type', 'i32')],
    {
      unique: { name: 'edge', columns: ['parent', 'name'] },
      index: 'inode',
    },
  ),
  table(
    'node',
    ['inode'],
    [
      column('inode', 'i64'),
      ...['type', 'flags', 'mode', 'uid', 'gid'].map((name) => column(name, 'i32')),
      ...numbers('atime', 'mtime', 'ctime'),
      ...['atimensec', 'mtimensec', 'ctimensec'].map((name) => zero(name, 'i32')),
      column('nlink', 'i32'),
      column('length', 'i64'),
      nullable('rdev', 'i32'),
      nullable('parent', 'i64'),
      ...['access_acl_id', 'default_acl_id', 'tier_id'].map((name) => nullable(name, 'i32')),
    ],
  ),
  table('symlink', ['inode'], [column('inode', 'i64'), column('target', 'target')]),
  table('xattr', ['id'], [column('id', 'id64'), column('inode', 'i64'), column('name', 'label'), column('value', 'bytes')], {
    unique: { name: 'name', columns: ['inode', 'name'] },
  }),
  table('chunk', ['id'], [column('id', 'id64'), column('inode', 'i64'), column('indx', 'i32'), column('slices', 'bytes')], {
    unique: { name: 'chunk', columns: ['inode', 'indx'] },
  }),
  table('chunk_ref', ['chunkid'], [column('chunkid', 'i64'), column('size', 'i32'), column('refs', 'i32')], { index: 'refs' }),
  table('delslices', ['chunkid'], [...numbers('chunkid', 'deleted'), column('slices', 'bytes')]),
  table('session2', ['sid'], [...numbers('sid', 'expire'), nullable('info', 'bytes')]),
  table('sustained', ['id'], [column('id', 'id64'), ...numbers('sid', 'inode')], {
    unique: { name: 'sustained', columns: ['sid', 'inode'] },
  }),
  table('delfile', ['inode'], numbers('inode', 'length', 'expire')),
  table('flock', ['id'], [column('id', 'id64'), ...numbers('inode', 'sid', 'owner'), column('ltype', 'i32')], {
    unique: { name: 'flock', columns: ['inode', 'sid', 'owner'] },
  }),
  table('plock', ['id'], [column('id', 'id64'), ...numbers('inode', 'sid', 'owner'), column('records', 'bytes')], {
    unique: { name: 'plock', columns: ['inode', 'sid', 'owner'] },
  }),
  table('dir_quota', ['inode'], numbers('inode', 'max_space', 'max_inodes', 'used_space', 'used_inodes')),
  table(
    'user_group_quota',
    ['qtype', 'qkey'],
    [column('qtype', 'i32'), ...numbers('qkey', 'max_space', 'max_inodes', 'used_space', 'used_inodes')],
  ),
  table('dir_stats', ['inode'], numbers('inode', 'data_length', 'used_space', 'used_inodes')),
  table('detached_node', ['inode'], numbers('inode', 'added')),
  table(
    'acl',
    ['id'],
    [
      column('id', 'id32'),
      ...['owner', 'group', 'mask', 'other'].map((name) => nullable(name, 'i32')),
      nullable('named_users', 'bytes'),
      nullable('named_groups', 'bytes'),
    ],
  ),
  table('delegation_token', ['id'], [column('id', 'id32'), nullable('token', 'bytes')]),
  table('change_log', ['id'], [column('id', 'id64'), column('entry', 'text')]),
];

/** Ours, while a restore goes on: whose it is, and what is done. Made first, dropped last. */
export const MARKER: Table = table('lifeboat', ['item'], [column('item', 'label'), column('detail', 'text')]);

const BY_NAME: ReadonlyMap<string, Table> = new Map([...TABLES, MARKER].map((one) => [one.name, one]));

export const tableNamed = (name: string): Table => {
  const found = BY_NAME.get(name);
  if (found === undefined) throw new Error(`there is no table ${name}`);
  return found;
};

export type Types = Readonly<Record<ColumnType, string>>;

export interface Making {
  readonly prefix: string;
  readonly types: Types;
  readonly quote: (name: string) => string;
  readonly suffix?: string;
  readonly qualify?: (name: string) => string;
}

/** CREATE statements of a table and of what keeps its rows apart. */
export const createTable = (
  { name, columns, key, unique }: Table,
  { prefix, types, quote, suffix = '', qualify = quote }: Making,
): string[] => {
  const serial = columns.some(({ type }) => type === 'id64' || type === 'id32');
  const lines = columns.map((one) => {
    const own = key.length === 1 && one.name === key[0] && serial;
    const absent = one.nullable === true ? ' NULL' : ' NOT NULL';
    return `${quote(one.name)} ${types[one.type]}${own ? '' : `${one.initial === undefined ? '' : ` DEFAULT ${one.initial}`}${absent}`}`;
  });
  if (!serial) lines.push(`PRIMARY KEY (${key.map(quote).join(', ')})`);
  const full = `${prefix}${name}`;
  const on = qualify(full);
  return [
    `CREATE TABLE ${on} (${lines.join(', ')})${suffix}`,
    ...(unique === undefined
      ? []
      : [`CREATE UNIQUE INDEX ${quote(`UQE_${full}_${unique.name}`)} ON ${on} (${unique.columns.map(quote).join(', ')})`]),
  ];
};

/** By name, the CREATE statements of indexes that keep nothing apart: over rows that are there they are made in a fraction of the time. */
export const createIndexes = ({ prefix, quote, qualify = quote }: Making): ReadonlyMap<string, string> =>
  new Map(
    TABLES.flatMap(({ name, index }) => {
      if (index === undefined) return [];
      const own = `IDX_${prefix}${name}_${index}`;
      return [[own, `CREATE INDEX ${quote(own)} ON ${qualify(prefix + name)} (${quote(index)})`] as const];
    }),
  );
