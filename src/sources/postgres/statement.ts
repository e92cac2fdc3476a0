/** What a statement of a dump is to a restore. `text` comes without its semicolon. */
export type Statement =
  | { readonly kind: 'setting'; readonly text: string; readonly name: string; readonly value: string }
  | { readonly kind: 'transaction'; readonly text: string; readonly ends: boolean }
  /** Owners and grants: worth something only where their roles are. */
  | { readonly kind: 'access'; readonly text: string; readonly roles: readonly string[] }
  /** A key, a unique or exclusion constraint, or an index. `table` and `name` are as written, with schema and quotes. */
  | { readonly kind: 'index'; readonly text: string; readonly table: string; readonly name: string; readonly key: boolean }
  | { readonly kind: 'refresh'; readonly text: string; readonly view: string }
  | { readonly kind: 'setval'; readonly text: string }
  | { readonly kind: 'other'; readonly text: string };

const NAME = String.raw`(?:"(?:[^"]|"")+"|[\w$\u0080-\uffff]+)`;
const QUALIFIED = String.raw`${NAME}(?:\.${NAME})*`;
const pattern = (source: string): RegExp =>
  new RegExp(source.replaceAll('NAMES', `${NAME}(?:\\s*,\\s*${NAME})*`).replaceAll('PATH', QUALIFIED).replaceAll('NAME', NAME), 'isu');

const SETTING = pattern(String.raw`^SET\s+(?:SESSION\s+|LOCAL\s+)?(?<name>PATH)\s*(?:=|\sTO\s)\s*(?<value>.*)$`);
const SET_CONFIG = pattern(String.raw`^SELECT\s+(?:pg_catalog\.)?set_config\('(?<name>[\w.]+)',\s*(?<value>'[^']*'),\s*\w+\)$`);
const TRANSACTION = /^(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE\s+TRANSACTION)\b(?!\s*\()/i;
const TRANSACTION_START = /^(?:BEGIN|START)\b/i;
const AUTHORIZATION = pattern(
  String.raw`^(?:SET\s+(?:SESSION\s+AUTHORIZATION|ROLE)\s+(?<role>'[^']*'|NAME)|RESET\s+(?:SESSION\s+AUTHORIZATION|ROLE))$`,
);
const OWNER = pattern(String.raw`^ALTER\s.*\sOWNER\s+TO\s+(?<role>NAME)$`);
const DEFAULTS = pattern(String.raw`^ALTER\s+DEFAULT\s+PRIVILEGES\s+(?:FOR\s+(?:ROLE|USER)\s+(?<role>NAMES)\s)?`);
const GRANT = pattern(
  String.raw`^(?:ALTER\s+DEFAULT\s+PRIVILEGES\s.*\s)?GRANT\s.*\sTO\s+(?:GROUP\s+)?(?<role>NAMES)(?:\s+WITH\s+\w+\s+\w+)*(?:\s+GRANTED\s+BY\s+NAME)?$`,
);
const REVOKE = pattern(
  String.raw`^(?:ALTER\s+DEFAULT\s+PRIVILEGES\s.*\s)?REVOKE\s.*\sFROM\s+(?:GROUP\s+)?(?<role>NAMES)(?:\s+GRANTED\s+BY\s+NAME)?(?:\s+(?:CASCADE|RESTRICT))?$`,
);
const EXTENSION_COMMENT = /^COMMENT\s+ON\s+EXTENSION\s/i;
const INDEX = pattern(String.raw`^CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?<name>NAME)\s+ON\s+(?:ONLY\s+)?(?<table>PATH)\s`);
const KEY = pattern(
  String.raw`^ALTER\s+TABLE\s+(?:ONLY\s+)?(?<table>PATH)\s+ADD\s+CONSTRAINT\s+(?<name>NAME)\s+(?:PRIMARY\s+KEY|UNIQUE|EXCLUDE)\b`,
);
const REFRESH = pattern(String.raw`^REFRESH\s+MATERIALIZED\s+VIEW\s+(?<view>PATH)`);
const SETVAL = /^SELECT\s+(?:pg_catalog\.)?setval\s*\(/i;
/** Stand for a role that is there, or for none. */
const SPECIAL_ROLES = new Set(['public', 'current_user', 'current_role', 'session_user', 'default', 'none']);

export function classify(text: string): Statement {
  const access = accessRoles(text);
  if (access !== undefined) return { kind: 'access', text, roles: access };
  const setting = (SETTING.exec(text) ?? SET_CONFIG.exec(text))?.groups;
  if (setting !== undefined)
    return { kind: 'setting', text, name: unquoted(setting['name'] ?? ''), value: (setting['value'] ?? '').trim() };
  if (TRANSACTION.test(text)) return { kind: 'transaction', text, ends: !TRANSACTION_START.test(text) };
  for (const [expression, key] of [
    [KEY, true],
    [INDEX, false],
  ] as const) {
    const index = expression.exec(text)?.groups;
    if (index !== undefined) return { kind: 'index', text, key, name: index['name'] ?? '', table: index['table'] ?? '' };
  }
  const view = REFRESH.exec(text)?.groups?.['view'];
  if (view !== undefined) return { kind: 'refresh', text, view };
  return { kind: SETVAL.test(text) ? 'setval' : 'other', text };
}

/** The roles without which the statement has no meaning; undefined for statements that are not about access. */
function accessRoles(text: string): readonly string[] | undefined {
  if (EXTENSION_COMMENT.test(text)) return [];
  const authorization = AUTHORIZATION.exec(text);
  if (authorization !== null) return roleNames(authorization.groups?.['role']);
  const defaults = DEFAULTS.exec(text);
  const named = GRANT.exec(text) ?? REVOKE.exec(text) ?? (defaults === null ? OWNER.exec(text) : null);
  if (named === null) return undefined;
  return [...roleNames(defaults?.groups?.['role']), ...roleNames(named.groups?.['role'])];
}

function roleNames(list: string | undefined): string[] {
  const names = list?.match(new RegExp(`${NAME}|'[^']*'`, 'gu')) ?? [];
  return names.filter((name) => !SPECIAL_ROLES.has(name.toLowerCase())).map(unquoted);
}

/** A name as the catalogue has it. */
export function unquoted(name: string): string {
  if (name.startsWith('"')) return name.slice(1, -1).replaceAll('""', '"');
  return name.startsWith("'") ? name.slice(1, -1) : name.toLowerCase();
}
