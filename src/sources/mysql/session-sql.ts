import type { Product } from './connect.ts';

/** The first line of an artifact; a file is known by it. */
export const OPENING = '-- Lifeboat MySQL script 1\n';

/**
 * What each segment of rows begins with, so that it loads alone: rows are taken as they are, and nothing is checked that was
 * checked when they were written.
 */
export const segmentSession = (product: Product): string =>
  `SET NAMES utf8mb4;
SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 0${product === 'MariaDB' ? ', check_constraint_checks = 0' : ''};
`;

export const BEGIN = 'START TRANSACTION;\n';
export const COMMIT = 'COMMIT;\n';
