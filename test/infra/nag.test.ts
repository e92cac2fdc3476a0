import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import cdk from '../../cdk.json' with { type: 'json' };
import { lifeboat } from '../../infra/lifeboat.ts';
import { deployableOf, exampleWith } from './support.ts';

const Report = z.object({
  pluginReports: z.array(
    z.object({
      pluginName: z.string().optional(),
      violations: z.array(z.looseObject({ ruleName: z.string() })),
    }),
  ),
});

const findings = (build: (app: App) => void): string[] => {
  const outdir = mkdtempSync(join(tmpdir(), 'lifeboat-nag-'));
  const app = new App({ context: cdk.context, outdir });
  build(app);
  try {
    app.synth();
  } catch (error) {
    // The report says the same in a form that can be read.
    if (!(error instanceof Error) || error.name !== 'ValidationFailed') throw error;
  }
  const report = Report.parse(JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8')));
  return report.pluginReports.flatMap(({ violations }) => violations.map(({ ruleName }) => ruleName));
};

const code = mkdtempSync(join(tmpdir(), 'lifeboat-code-'));

describe('cdk-nag', () => {
  it('has nothing against any stack of the example', () => {
    expect(findings((app) => void lifeboat(app, deployableOf(exampleWith()), code))).toEqual([]);
  }, 120_000);

  it('has nothing against an environment without VPC, lock, replica and own control', () => {
    const small = exampleWith((raw) => {
      for (const field of ['vpc', 'replication', 'notifications', 'coldAfterDays', 'runbook'])
        Reflect.deleteProperty(raw.deployment, field);
      Reflect.deleteProperty(raw, 'control');
      Reflect.deleteProperty(raw.store, 'objectLock');
    });
    expect(findings((app) => void lifeboat(app, deployableOf(small), code))).toEqual([]);
  }, 120_000);

  it('would have something against a careless bucket', () => {
    const careless = findings((app) => {
      new Bucket(new Stack(app, 'Careless'), 'Bucket');
      Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    });
    expect(careless.join()).toContain('AwsSolutions-S1');
  });
});
