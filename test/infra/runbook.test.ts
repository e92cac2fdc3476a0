import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, resourcesOf, synthesized } from './support.ts';

const whole = synthesized();
const alarms = [whole.service, ...whole.sources].flatMap((stack) =>
  resourcesOf(whole.template(stack), 'AWS::CloudWatch::Alarm').map(({ Properties }) => ({
    name: String(Properties['AlarmName']),
    description: String(Properties['AlarmDescription']),
  })),
);

const page = readFileSync(join(ROOT, 'docs/runbook.md'), 'utf8');
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.split('\n', 1)[0] ?? '', section]),
);

const linked = (description: string): string => /#([a-z-]+)$/.exec(description)?.[1] ?? '';

describe('the runbook', () => {
  it('has the section that each alarm links to', () => {
    expect(alarms.length).toBeGreaterThan(8);
    expect(alarms.filter(({ description }) => !sections.has(linked(description)))).toEqual([]);
    for (const { name, description } of alarms) expect(name).toMatch(new RegExp(`-${linked(description)}$`));
  });

  it('has no section for an alarm that does not exist', () => {
    expect([...sections.keys()].sort()).toEqual([...new Set(alarms.map(({ description }) => linked(description)))].sort());
  });

  it('says of each what it means, where to look and what to do', () => {
    const lacking = [...sections].filter(([, text]) => !['**Means.**', '**Look.**', '**Do.**'].every((part) => text.includes(part)));
    expect(lacking.map(([name]) => name)).toEqual([]);
  });

  it('is linked where it is read', () => {
    for (const { description } of alarms)
      expect(description).toMatch(/What to do: https:\/\/git\.example\.com\/acme\/lifeboat\/\S+#[a-z-]+$/);
  });
});
