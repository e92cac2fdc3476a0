import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** Actions as the code names them for its messages; templates name the service, and the action beside it. */
const actionsOf = (text: string): string[] => [
  ...[...text.matchAll(/'((?:states|lambda|logs|sts|s3):[A-Z]\w+)'/g)].map(([, action]) => action ?? ''),
  ...[...text.matchAll(/ask\('(Describe\w+|Get\w+)'/g)].map(([, action]) => `${text.includes('client-kms') ? 'kms' : 'ec2'}:${action}`),
];

describe('docs/aws.md', () => {
  it('names every action that the command line asks of AWS', () => {
    const files = readdirSync(join(ROOT, 'src/aws'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const asked = [...new Set(files.flatMap((file) => actionsOf(readFileSync(join(ROOT, 'src/aws', file), 'utf8'))))].sort();
    expect(asked.length).toBeGreaterThan(18);
    const page = readFileSync(join(ROOT, 'docs/aws.md'), 'utf8');
    expect(asked.filter((action) => !page.includes(`\`${action}\``))).toEqual([]);
  });
});
