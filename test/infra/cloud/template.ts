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

const Settings = z.object({
  Handler: z.string(),
  Runtime: z.string(),
  Timeout: z.int(),
  MemorySize: z.int(),
  EphemeralStorage: z.object({ Size: z.int() }),
  Environment: z.object({ Variables: z.record(z.string(), z.string()) }),
});

/** A function as the template has it: which step it is, the name of its role, and what Lambda is told about it. */
export interface DeployedFunction {
  readonly step: string;
  readonly role: string;
  readonly settings: z.infer<typeof Settings>;
}

export interface Rule {
  readonly arn: string;
  /** ARNs. */
  readonly targets: readonly string[];
}

export interface Cloud {
  /** By name. */
  readonly functions: ReadonlyMap<string, DeployedFunction>;
  /** By machine ARN: what would be deployed, substitutions made. */
  readonly machines: ReadonlyMap<string, { readonly definition: unknown; readonly role: string }>;
  /** Of EventBridge: what each calls. */
  readonly rules: readonly Rule[];
  /** By role name. */
  readonly roles: ReadonlyMap<string, readonly Policy[]>;
  /** By ARN: of buckets, the key, the topic, the queue, and of functions that EventBridge calls. */
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
      { step: String(p['Handler']).replace('.handler', ''), role: roleOf(p['Role'], resources), settings: Settings.parse(p) },
    ]),
    machines: all('AWS::StepFunctions::StateMachine', (p, resources) => [
      `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:${p['StateMachineName']}`,
      { definition: definition(p), role: roleOf(p['RoleArn'], resources) },
    ]),
    rules: stacks.flatMap(rulesOf),
    roles: all('AWS::IAM::Role', (p, resources) => [String(p['RoleName']), policiesOf(p, resources)]),
    resourcePolicies: new Map([
      ...all('AWS::S3::BucketPolicy', (p, resources) => [
        resolved({ 'Fn::GetAtt': [bucketId(p['Bucket']), 'Arn'] }, resources) as string,
        resolved(p['PolicyDocument'], resources),
      ]),
      ...all('AWS::KMS::Key', (p, resources) => [KEY_ARN, resolved(p['KeyPolicy'], resources)]),
      ...all('AWS::SNS::TopicPolicy', (p, resources) => [
        z.tuple([z.string()]).parse(resolved(p['Topics'], resources))[0],
        resolved(p['PolicyDocument'], resources),
      ]),
      ...all('AWS::SQS::QueuePolicy', (p, resources) => [
        resolved({ 'Fn::GetAtt': [z.tuple([z.object({ Ref: z.string() })]).parse(p['Queues'])[0].Ref, 'Arn'] }, resources) as string,
        resolved(p['PolicyDocument'], resources),
      ]),
      ...stacks.flatMap(permissionsOf),
    ]),
  };
};

const Permission = z.object({ Action: z.string(), FunctionName: z.unknown(), Principal: z.string(), SourceArn: z.unknown() });

/** Lambda keeps what it permits as the policy of the function. */
const permissionsOf = (resources: Resources): (readonly [string, Json])[] => {
  const statements = new Map<string, Json[]>();
  for (const { Type, Properties } of Object.values(resources)) {
    if (Type !== 'AWS::Lambda::Permission') continue;
    const { Action, FunctionName, Principal, SourceArn } = Permission.parse(Properties);
    const Resource = z.string().parse(resolved(FunctionName, resources));
    const Condition = { ArnLike: { 'aws:SourceArn': resolved(SourceArn, resources) } };
    const statement = { Effect: 'Allow', Principal: { Service: Principal }, Action, Resource, Condition };
    statements.set(Resource, [...(statements.get(Resource) ?? []), statement]);
  }
  return [...statements].map(([arn, Statement]) => [arn, { Version: '2012-10-17', Statement }]);
};

const rulesOf = (resources: Resources): Rule[] =>
  Object.entries(resources).flatMap(([id, { Type, Properties }]) => {
    if (Type !== 'AWS::Events::Rule') return [];
    const targets = z.array(z.object({ Arn: z.unknown() })).parse(Properties['Targets']);
    return [{ arn: attribute([id, 'Arn'], resources), targets: targets.map(({ Arn }) => z.string().parse(resolved(Arn, resources))) }];
  });

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
  if (more.length === 0 && name === 'Ref') return attribute([z.string().parse(argument), 'Ref'], resources);
  if (name.startsWith('Fn::')) throw new Error(`cannot resolve ${JSON.stringify(value)}`);
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, resolved(inner, resources)]));
};

/** By type: the value of `Ref` or `Arn`, with the name that the resource has. */
const ARNS: Readonly<
  Record<string, { readonly of: 'Ref' | 'Arn'; readonly arn: (name: (field: string) => string, id: string) => string }>
> = {
  'AWS::S3::Bucket': { of: 'Arn', arn: (name) => `arn:aws:s3:::${name('BucketName')}` },
  'AWS::KMS::Key': { of: 'Arn', arn: () => KEY_ARN },
  'AWS::SNS::Topic': { of: 'Ref', arn: (name) => `arn:aws:sns:${REGION}:${ACCOUNT}:${name('TopicName')}` },
  'AWS::SQS::Queue': { of: 'Arn', arn: (name) => `arn:aws:sqs:${REGION}:${ACCOUNT}:${name('QueueName')}` },
  'AWS::Lambda::Function': { of: 'Arn', arn: (name) => `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name('FunctionName')}` },
  // CloudFormation names rules; the id of the template is part of the name.
  'AWS::Events::Rule': { of: 'Arn', arn: (_, id) => `arn:aws:events:${REGION}:${ACCOUNT}:rule/${id}` },
};

const attribute = ([id, name]: readonly [string, string], resources: Resources): string => {
  const found = resources[id];
  const known = ARNS[found?.Type ?? ''];
  if (found === undefined || known?.of !== name) throw new Error(`cannot resolve ${id}.${name}`);
  return known.arn((field) => z.string().parse(found.Properties[field]), id);
};
