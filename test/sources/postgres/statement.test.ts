import { describe, expect, it } from 'vitest';
import { classify } from '../../../src/sources/postgres/statement.ts';

describe('classify', () => {
  it.each([
    ['ALTER TABLE public.t OWNER TO "Some ""one"""', ['Some "one"']],
    ['ALTER FUNCTION public.f(a integer, b text) OWNER TO app', ['app']],
    ['GRANT SELECT,INSERT ON TABLE public.t TO Reader WITH GRANT OPTION', ['reader']],
    ['GRANT SELECT(a),INSERT(b) ON TABLE public."TO x" TO PUBLIC', []],
    ['REVOKE ALL ON SCHEMA public FROM PUBLIC', []],
    ['REVOKE ALL ON TABLE public.t FROM app CASCADE', ['app']],
    ['ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA public GRANT SELECT ON TABLES TO reader', ['maker', 'reader']],
    ['ALTER DEFAULT PRIVILEGES FOR ROLE maker REVOKE ALL ON FUNCTIONS FROM PUBLIC', ['maker']],
    ["SET SESSION AUTHORIZATION 'app'", ['app']],
    ['RESET SESSION AUTHORIZATION', []],
    ["COMMENT ON EXTENSION pg_trgm IS 'x'", []],
  ])('%s is about access', (text, roles) => {
    expect(classify(text)).toEqual({ kind: 'access', text, roles });
  });

  it.each([
    ['SET statement_timeout = 0', 'statement_timeout', '0'],
    ["SET DateStyle TO 'ISO, MDY'", 'datestyle', "'ISO, MDY'"],
    ["SELECT pg_catalog.set_config('search_path', '', false)", 'search_path', "''"],
    ['SET SESSION plpgsql.extra_errors = x', 'plpgsql.extra_errors', 'x'],
  ])('%s is a setting', (text, name, value) => {
    expect(classify(text)).toEqual({ kind: 'setting', text, name, value });
  });

  it.each([
    ['CREATE INDEX i ON public.t USING btree (a)', 'i', 'public.t', false],
    ['CREATE UNIQUE INDEX "I x" ON ONLY "s.x".t USING gin (a) WHERE (b > 1)', '"I x"', '"s.x".t', false],
    ['ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id)', 't_pkey', 'public.t', true],
    ['ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_excl EXCLUDE USING gist (during WITH &&)', 't_excl', 'public.t', true],
  ])('%s is an index', (text, name, table, key) => {
    expect(classify(text)).toEqual({ kind: 'index', text, name, table, key });
  });

  it.each([
    ['ALTER TABLE ONLY public.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(id)', 'other'],
    ['CREATE TRIGGER t AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()', 'other'],
    ['CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ GRANT SELECT ON t TO x $$', 'other'],
    ["COMMENT ON TABLE t IS 'OWNER TO x'", 'other'],
    ['REFRESH MATERIALIZED VIEW public.v', 'refresh'],
    ["SELECT pg_catalog.setval('public.s', 1, true)", 'setval'],
    ['BEGIN', 'transaction'],
    ['COMMIT', 'transaction'],
  ])('%s is %s', (text, kind) => {
    expect(classify(text).kind).toBe(kind);
  });
});
