/** Rows of the schema `edge`: extremes, NULLs, what looks like something else, and what needs escaping. */

/** Where the server has them: numeric infinities came with PostgreSQL 14. */
const infinite = (version: number): string => (version >= 140_000 ? "'Infinity'" : "'NaN'");

/** @param version as server_version_num */
export const fillEdge = (version: number): string => String.raw`
INSERT INTO edge.every_type (what) VALUES ('every column NULL');

INSERT INTO edge.every_type VALUES (
  DEFAULT, 'the highest',
  32767, 2147483647, 9223372036854775807,
  1e100 + 1e-50, 9999999999999999999999999999.9999999999, 3.4028235e38, 1.7976931348623157e308, '92233720368547758.07',
  true, 'ß', 'twenty characters ..', 'Größe 数据 данные 🚀 👩‍👩‍👧 e' || U&'\0301' || ' ' || U&'\202E' || 'rtl', 'z', 'name',
  decode(repeat('00ff5c0a0d09275c2e', 4000), 'hex'),
  '5874897-12-31', '24:00:00', '23:59:59.999999-15:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00',
  '178000000 years 11 mons 30 days 23:59:59.999999',
  'ffffffff-ffff-ffff-ffff-ffffffffffff', '2001:db8::ffff/64', '10.0.0.0/8', 'ff:ff:ff:ff:ff:ff', B'111', B'1011010',
  '{"a":1,  "a":2, "escaped": "\u0000", "n": 1.10}', '{"n": 1.10, "deep": [[[[{"quote\"d": "back\\slash"}]]]]}', '$."a"[*] ? (@ > 1)',
  '[1,10)', '[2026-01-01 00:00+00,infinity)',
  '{2147483647,NULL,-1}', ARRAY['', 'NULL', NULL, 'a,b', '"', '\', '{}', E'tab\tline\n'], '[0:1][-1:0]={{1,2},{3,4}}',
  '(1e308,-0)', '((1,1),(0,0))', '<(0.1,0.2),0.3>',
  $$'a quoted lexeme':1A,2B 'größe':3$$, $$'fat' & !'rat':*$$, 4294967295, 'FFFFFFFF/FFFFFFFF',
  'ünreal', '{low,"it''s high"}', 100, ROW(1.5, 'NaN', 'a "place", (here)'), ARRAY[ROW(0, 0, NULL)::edge.place, NULL]
);

INSERT INTO edge.every_type VALUES (
  DEFAULT, 'the lowest',
  -32768, -2147483648, -9223372036854775808,
  -${infinite(version)}::numeric, -0.0000000001, '1e-45', '5e-324', '-92233720368547758.08',
  false, '', '', '', '', '',
  '',
  '4713-01-01 BC', '00:00', '00:00+15:59', '4713-01-01 00:00 BC', '4713-01-01 00:00+00 BC', '-178000000 years -1 mons +5 days -00:00:00.000001',
  '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::/0', '00:00:00:00:00:00', B'000', B'',
  ' [ ] ', '{}', '$',
  'empty', '(,)',
  '{}', '{}', '{}',
  '(-1e308,0)', '((0,0),(0,0))', '<(0,0),0>',
  '', '', 0, '0/0',
  'low', '{}', 0, ROW(NULL, NULL, ''), '{}'
);

INSERT INTO edge.every_type (what, a_numeric, a_real, a_double, a_date, a_timestamp, a_timestamptz, a_text) VALUES
  ('not a number', 'NaN', 'NaN', 'NaN', NULL, NULL, NULL, 'NaN'),
  ('infinite', ${infinite(version)}, 'Infinity', 'Infinity', 'infinity', 'infinity', 'infinity', 'Infinity'),
  ('minus infinite', -${infinite(version)}::numeric, '-Infinity', '-Infinity', '-infinity', '-infinity', '-infinity', '-Infinity'),
  ('minus zero', '-0', '-0', '-0', '1970-01-01', '1970-01-01', '1970-01-01 00:00+00', '-0'),
  ('shortest doubles', 0.1, 0.1, 0.1 + 0.2::double precision, '2024-02-29', '1999-12-31 23:59:59.5', '1883-11-18 12:03:58-04:56:02', '0.1');

INSERT INTO edge.every_type (what, a_text) VALUES
  ('end of data', '\.'),
  ('null marker', '\N'),
  ('backslashes', '\\ \t \x41 \'),
  ('blanks', '   '),
  ('line ends', E'\r\n|\r|\n'),
  ('control characters', (SELECT string_agg(chr(i), '') FROM generate_series(1, 31) i) || chr(127) || chr(133)),
  ('separators', chr(8232) || chr(8233) || chr(65279)),
  ('like a statement', E'\\.\nDROP TABLE edge.orders; --\nCOMMIT;'),
  ('long', repeat('a long text that compresses well, unlike the next. ', 20000)),
  ('long and random', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 20000) i));

INSERT INTO edge.no_key SELECT i % 3, CASE WHEN i % 2 = 0 THEN 'equal' END FROM generate_series(1, 60) i;

INSERT INTO edge."Odd ""Names"", %s"
  SELECT i, 'q' || i, ' ', 'ü', '.', '\', '$' FROM generate_series(1, 10) i;
UPDATE edge."Odd ""Names"", %s" SET late = NULL WHERE "select" > 5;

INSERT INTO edge.customers (id, name, mentor, email)
  SELECT i, 'Customer ' || i || CASE WHEN i % 10 = 0 THEN ' Ærø & Sønner' ELSE '' END, nullif(i % 50, 0), 'c' || i || '@example.org'
  FROM generate_series(1, 200) i;
SELECT setval('edge.customers_id_seq', 200);
INSERT INTO edge.orders (customer, amount, during)
  SELECT 1 + i % 200, (i * 7919 % 100000) / 100.0, tstzrange(timestamptz '2026-01-01 00:00+00' + i * interval '1 hour',
    timestamptz '2026-01-01 00:00+00' + (i + 1) * interval '1 hour')
  FROM generate_series(1, 400) i;
UPDATE edge.customers c SET latest_order = (SELECT max(id) FROM edge.orders o WHERE o.customer = c.id);

INSERT INTO edge.readings
  SELECT timestamptz '2024-12-01 00:00+00' + i * interval '9 hours', (ARRAY['eu', 'us', 'åland'])[1 + i % 3], (i * 7919 % 1000) / 7::double precision
  FROM generate_series(0, 1199) i;

INSERT INTO edge.vehicles VALUES ('AB 123', 4), ('BC 234', 2);
INSERT INTO edge.trucks VALUES ('CD 345', 8, 12000);
`;
