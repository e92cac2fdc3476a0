/** Every type with values at its edges, objects of every kind, and tables of every shape, for MariaDB. */
export const EVERYTHING = String.raw`
SET NAMES utf8mb4, SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0;
CREATE TABLE types (
  id int AUTO_INCREMENT PRIMARY KEY, j json, f float, d double, de decimal(65,30), bu bigint unsigned, z int(8) zerofill, b1 bit(1), b64 bit(64),
  e enum('x','','ü'), s set('a','b','c'), g geometry, p point, bl longblob, bi binary(4), vb varbinary(20), dt datetime(6), ts timestamp(6) NULL,
  da date, t time(6), y year, l1 varchar(50) CHARACTER SET latin1, u16 varchar(50) CHARACTER SET utf16, tx longtext, n int,
  gv int GENERATED ALWAYS AS (coalesce(n, 1) * 2) VIRTUAL, gs varchar(20) GENERATED ALWAYS AS (concat('k', coalesce(n, 9))) STORED,
  inv int INVISIBLE DEFAULT 5, u uuid, i6 inet6);
INSERT INTO types (id, j, f, d, de, bu, z, b1, b64, e, s, g, p, bl, bi, vb, dt, ts, da, t, y, l1, u16, tx, n, u, i6) VALUES
 (0, '{"a":1.10,"b":12345678901234567890,"s":"t\\tx \\u2028 🚀","k":1e30}', 16777217, 0.1e0+0.2e0, '12345678901234567890123456789012345.123456789012345678901234567890',
  18446744073709551615, 42, b'1', b'1111111111111111111111111111111111111111111111111111111111111111', 'ü', 'a,c', ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'),
  ST_GeomFromText('POINT(1.5 -2)'), 0x00090a0d5c27225cff1a, 0x00010200, 0x5c0a, '2024-02-29 23:59:59.999999', '2038-01-19 03:14:07.123456', '0000-00-00',
  '-838:59:59.000000', 2155, 'é€', '🚀ü', 'tab\tnl\nbs\\ cr\r nul\0 sub\Z q" a\' end 🚀', NULL, '123e4567-e89b-12d3-a456-426655440000', '::ffff:192.0.2.1');
INSERT INTO types (id, j, f, d, de, bu, b1, b64, e, s, bl, bi, vb, dt, da, t, y, l1, u16, tx, n) VALUES
 (-5, NULL, 1.17549e-38, -1.7976931348623157e308, 0, 0, b'0', b'0', '', '', '', 0x00000000, '', '0000-00-00 00:00:00', '1000-01-01', '00:00:00.000001', 0, '\\N', '', '\\N', 0);
INSERT INTO types (id, j, f, d, de, bu, b64, s, g, ts, da, tx, n) VALUES
 (7, '"NULL"', 3.14159265, 5e-324, -1.5, 9223372036854775808, b'101', 'b', ST_GeomFromText('POINT(1 1)'), '1970-01-01 00:00:01', '9999-12-31', '', NULL);
CREATE TABLE signed_zero (id int PRIMARY KEY, f float, d double);
INSERT INTO signed_zero VALUES (1, '-0', '-0'), (2, 0, 0), (3, 3.4028235e38, 2.2250738585072014e-308);
CREATE SEQUENCE numbers START WITH 10;
CREATE TABLE from_sequence (id int DEFAULT nextval(numbers) PRIMARY KEY, v text);
INSERT INTO from_sequence (v) VALUES ('x'), ('y');
CREATE TABLE keyless (a int, b varchar(10));
INSERT INTO keyless VALUES (1, 'a'), (1, 'a'), (NULL, NULL);
CREATE TABLE only_generated (a int GENERATED ALWAYS AS (1) STORED);
INSERT INTO only_generated () VALUES (), ();
CREATE TABLE empty (id int PRIMARY KEY);
CREATE TABLE \`odd \`\`name'; --\` (\`a \`\`b\` int PRIMARY KEY, \`select\` text COMMENT 'a; b''c');
INSERT INTO \`odd \`\`name'; --\` VALUES (1, '; -- /* ''); DROP TABLE empty');
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN maxvalue);
INSERT INTO parts VALUES (1), (20);
CREATE TABLE child (id int PRIMARY KEY, pid int, FOREIGN KEY (pid) REFERENCES z_parent (id));
CREATE TABLE z_parent (id int PRIMARY KEY);
INSERT INTO z_parent VALUES (3);
INSERT INTO child VALUES (1, 3);
CREATE TABLE many (code varchar(40) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, nr bigint, body longtext);
INSERT INTO many SELECT md5(seq), seq, repeat(md5(seq * 7), 40) FROM seq_1_to_6000;
CREATE TABLE nullable (a int UNIQUE, body text);
INSERT INTO nullable SELECT IF(seq % 3 = 0, NULL, seq), repeat('x', 600) FROM seq_1_to_3000;
CREATE VIEW b_view AS SELECT id, tx FROM types;
CREATE VIEW a_view AS SELECT b_view.id FROM b_view JOIN from_sequence ON 1 = 1;
CREATE FUNCTION plus_one(x int) RETURNS int DETERMINISTIC BEGIN DECLARE y int; SET y = x; RETURN y + 1; END;
CREATE PROCEDURE said() BEGIN /* why; */ SELECT 'semi;colon', "x"; SELECT '$$'; END;
CREATE TRIGGER on_keyless BEFORE INSERT ON keyless FOR EACH ROW BEGIN SET NEW.b = concat(NEW.b, ';'); END;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM keyless WHERE a = 77; END;
`.replaceAll('\\`', '`');

/** What MySQL writes in another way, or does not have: sequences, types of its own, MD5 since 9.6, and `empty` is a word of its language. */
const OTHERWISE: readonly (readonly [mariadb: string | RegExp, mysql: string])[] = [
  ['SET NAMES utf8mb4,', 'SET SESSION cte_max_recursion_depth = 100000;\nSET NAMES utf8mb4,'],
  ['inv int INVISIBLE DEFAULT 5, u uuid, i6 inet6)', 'inv int DEFAULT 5 INVISIBLE)'],
  ['tx, n, u, i6) VALUES', 'tx, n) VALUES'],
  ["NULL, '123e4567-e89b-12d3-a456-426655440000', '::ffff:192.0.2.1')", 'NULL)'],
  ['CREATE SEQUENCE numbers START WITH 10;\n', ''],
  ['id int DEFAULT nextval(numbers) PRIMARY KEY', 'id int AUTO_INCREMENT PRIMARY KEY'],
  ['CREATE TABLE empty', 'CREATE TABLE `empty`'],
  [/\bmd5\(([^)]*)\)/g, 'left(sha2($1, 256), 32)'],
  [/seq_1_to_(\d+)/g, '(WITH RECURSIVE s(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < $1) SELECT seq FROM s) AS series'],
];

/** The same for MySQL 8 and newer. */
export const EVERYTHING_MYSQL = OTHERWISE.reduce((text, [mariadb, mysql]) => {
  const changed = text.replace(mariadb, mysql);
  if (changed === text) throw new Error(`the fixture has no ${String(mariadb)}`);
  return changed;
}, EVERYTHING);
