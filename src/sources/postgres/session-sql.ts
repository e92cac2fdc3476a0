/**
 * What the rows of a segment need of the session that loads them, known to psql and servers from PostgreSQL 13 on. Written in
 * front of each segment, so that each stands alone.
 */
export const SEGMENT_SESSION = `SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET lc_monetary = 'C';
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SELECT pg_catalog.set_config('search_path', '', false);
`;

/** How the artifact begins: the first error stops psql, and a script that ends early rolls back. */
export const OPENING = '\\set ON_ERROR_STOP on\nBEGIN;\n';

export const COMMIT = 'COMMIT;\n';
