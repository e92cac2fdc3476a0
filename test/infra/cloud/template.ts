import { z } from 'zod';
import type { Json } from '../../../src/backup/types.ts';
import type { Synthesized } from '../support.ts';

/** What CloudFormation would make of the templates, as far as the proof needs it. */

export const ACCOUNT = '123456789012';
export const REGION = 'eu-central-1';
export const KEY_ARN = `arn:aws:kms:${REGION}:${ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef`;

const Resource = z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) });
type Resource = z.infer<typeof Resource>;
type Resources = Readonly<Record<string, Resource>>;

const Template = z.object({ Resources: z.record(z.string(), Resource) });

export interface Policy {
  readonly name: string;
  readonly policy: Json;
}

export interface Cloud {
  /** By function name: which step it is, and what its role may do. */
  readonly functions: ReadonlyMap<string, { readonly step: string; readonly role: string }>;
  /** By machine ARN: what would be deployed, substitutions made. */
  readonly machines: ReadonlyMap<string, { readonly definition: unknown; readonly role: string }>;
  /** By role name. */
  readonly roles: ReadonlyMap<string, readonly Policy[]>;
  /** By bucket ARN, and the key's by its ARN. */
  readonly resourcePolicies: ReadonlyMap<string, Json>;
}

export const cloudOf = (synthesized: Synthesized): Cloud => {
  const stacks = [synthesized.storage, synthesized.service, ...synthesized.sources].map(
    (stack): Resources => Template.parse(synthesized.template(stack).toJSON()).Resources,
  );
  const all = <T>(type: string, map: (properties: Resource['Properties'], resources: Resources) => readonly [string, T]) =>
    new Map(
      stacks.flatMap((resources) =>
        Object.values(resources).flatMap(({ Type, Properties }) => (Type === type ? [map(Properties, resources)] : [])),
      ),
    );
  const roleOf = (value: unknown, resources: Resources): string => {
    const id = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.literal('Arn')]) }).parse(value)['Fn::GetAtt'][0];
    return z.string().parse(resources[id]?.Properties['RoleName']);
  };
  return {
    functions: all('AWS::Lambda::Function', (p, resources) => [
      String(p['FunctionName']),
      { step: String(p['Handler']).replace('.handler', ''), role: roleOf(p['Role'], resources) },
    ]),
    machines: all('AWS::StepFunctions::StateMachine', (p, resources) => [
      `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:${p['StateMachineName']}`,
      { definition: definition(p), role: roleOf(p['RoleArn'], resources) },
    ]),
    roles: all('AWS::IAM::Role', (p, resources) => [String(p['RoleName']), policiesOf(p, resources)]),
    resourcePolicies: new Map([
      ...all('AWS::S3::BucketPolicy', (p, resources) => [
        resolved({ 'Fn::GetAtt': [bucketId(p['Bucket']), 'Arn'] }, resources) as string,
        resolved(p['PolicyDocument'], resources),
      ]),
      ...all('AWS::KMS::Key', (p, resources) => [KEY_ARN, resolved(p['KeyPolicy'], resources)]),
    ]),
  };
};

const bucketId = (value: unknown): string => z.object({ Ref: z.string() }).parse(value).Ref;

const policiesOf = (p: Resource['Properties'], resources: Resources): Policy[] =>
  z
    .array(z.object({ PolicyName: z.string(), PolicyDocument: z.unknown() }))
    .parse(p['Policies'] ?? [])
    .map(({ PolicyName, PolicyDocument }) => ({ name: PolicyName, policy: resolved(PolicyDocument, resources) }));

const definition = (p: Resource['Properties']): unknown => {
  const names = z.record(z.string(), z.string()).parse(p['DefinitionSubstitutions']);
  return JSON.parse(
    z
      .string()
      .parse(p['DefinitionString'])
      .replace(/\$\{(\w+)\}/g, (_, name: string) => names[name] ?? 'nothing'),
  );
};

/** Intrinsic functions, resolved; an unknown one is an error. */
const resolved = (value: unknown, resources: Resources): Json => {
  if (Array.isArray(value)) return value.map((item) => resolved(item, resources));
  if (typeof value !== 'object' || value === null) return z.union([z.string(), z.number(), z.boolean(), z.null()]).parse(value);
  const [[name, argument] = ['', undefined], ...more] = Object.entries(value);
  if (more.length === 0 && name === 'Fn::GetAtt') return attribute(z.tuple([z.string(), z.string()]).parse(argument), resources);
  if (more.length === 0 && name === 'Fn::Join') {
    const [separator, parts] = z.tuple([z.string(), z.array(z.unknown())]).parse(argument);
    return parts.map((part) => resolved(part, resources)).join(separator);
  }
  // The only value that one stack has of another is the ARN of the key.
  if (more.length === 0 && name === 'Fn::ImportValue' && /Key\w*Arn/.test(String(argument))) return KEY_ARN;
  if (more.length === 0 && name === 'Ref' && argument === 'AWS::Partition') return 'aws';
  if (name === 'Ref' || name.startsWith('Fn::')) throw new Error(`cannot resolve ${JSON.stringify(value)}`);
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, resolved(inner, resources)]));
};

const attribute = ([id, name]: readonly [string, string], resources: Resources): string => {
  const found = resources[id];
  if (name === 'Arn' && found?.Type === 'AWS::S3::Bucket') return `arn:aws:s3:::${found.Properties['BucketName']}`;
  if (name === 'Arn' && found?.Type === 'AWS::KMS::Key') return KEY_ARN;
  throw new Error(`cannot resolve ${id}.${name}`);
};
