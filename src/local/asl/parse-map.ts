import { below, type Fields, fieldsAt, numericAt, objectAt, oneOf, optional, refuse, stringAt, templateAt, textAt } from './fields.ts';
import { DISTRIBUTED_CONCURRENCY_MAX, ITEMS_MAX, LABEL_MAX_CHARS } from './limits.ts';
import { GUARDED, guarded, type ParseChain, stateFields } from './parse-flow.ts';
import type { ItemReader, MapState, ResultWriter } from './types.ts';

const COMMON = ['Items', 'ItemSelector', 'MaxConcurrency'];
const DISTRIBUTED_ONLY = ['ItemReader', 'ResultWriter', 'ToleratedFailureCount', 'ToleratedFailurePercentage', 'Label'];

export function parseMap(name: string, value: unknown, path: string, chain: ParseChain): MapState {
  const fields = stateFields(value, path, [...GUARDED, ...COMMON, ...DISTRIBUTED_ONLY], ['ItemProcessor']);
  const mode = parseMode(fields['ItemProcessor'], below(path, 'ItemProcessor'));
  for (const field of DISTRIBUTED_ONLY) {
    if (mode === 'INLINE' && fields[field] !== undefined)
      refuse(below(path, field), 'belongs to a Map in mode DISTRIBUTED; this one is INLINE');
  }
  if (fields['ItemReader'] !== undefined && fields['Items'] !== undefined) refuse(path, 'has both Items and ItemReader');
  const number = (field: string, max: number, whole = true) =>
    optional(fields, field, path, (entry, at) => numericAt(entry, at, { min: 0, max, whole }));
  const toleratedCount = number('ToleratedFailureCount', ITEMS_MAX);
  const toleratedPercentage = number('ToleratedFailurePercentage', 100, false);
  const writer = optional(fields, 'ResultWriter', path, parseWriter);
  if (writer === undefined && (tolerates(toleratedCount) || tolerates(toleratedPercentage))) {
    refuse(path, 'tolerates failures without a ResultWriter: the results of the failed items would be lost');
  }
  return {
    type: 'Map',
    name,
    mode,
    ...guarded(fields, path),
    items: optional(fields, 'Items', path, itemsAt),
    reader: optional(fields, 'ItemReader', path, parseReader),
    selector: optional(fields, 'ItemSelector', path, templateAt),
    maxConcurrency: number('MaxConcurrency', DISTRIBUTED_CONCURRENCY_MAX),
    toleratedCount,
    toleratedPercentage,
    writer,
    label: optional(fields, 'Label', path, labelAt) ?? name.slice(0, LABEL_MAX_CHARS),
    processor: chain(fields['ItemProcessor'], below(path, 'ItemProcessor'), ['ProcessorConfig']),
  };
}

const tolerates = (threshold: MapState['toleratedCount']): boolean =>
  threshold !== undefined && !(threshold.kind === 'literal' && threshold.value === 0);

function parseMode(processor: unknown, path: string): MapState['mode'] {
  const config = objectAt(processor, path)['ProcessorConfig'];
  if (config === undefined) return 'INLINE';
  const at = below(path, 'ProcessorConfig');
  const fields = fieldsAt(config, at, ['ExecutionType'], ['Mode']);
  const mode = oneOf(fields['Mode'], below(at, 'Mode'), ['INLINE', 'DISTRIBUTED']);
  if (mode === 'DISTRIBUTED') oneOf(fields['ExecutionType'], below(at, 'ExecutionType'), ['STANDARD']);
  else if (fields['ExecutionType'] !== undefined) refuse(below(at, 'ExecutionType'), 'belongs to mode DISTRIBUTED');
  return mode;
}

const itemsAt = (value: unknown, path: string) =>
  typeof value === 'string' || Array.isArray(value) ? templateAt(value, path) : refuse(path, 'must be an array or an expression');

function labelAt(value: unknown, path: string): string {
  const label = stringAt(value, path);
  if (label.length > LABEL_MAX_CHARS || !/^[\w-]+$/.test(label)) refuse(path, `must have 1 to ${LABEL_MAX_CHARS} letters, digits, - or _`);
  return label;
}

function parseReader(value: unknown, path: string): ItemReader {
  const fields = fieldsAt(value, path, [], ['Resource', 'Arguments', 'ReaderConfig']);
  oneOf(fields['Resource'], below(path, 'Resource'), ['arn:aws:states:::s3:getObject']);
  const config = fieldsAt(fields['ReaderConfig'], below(path, 'ReaderConfig'), ['MaxItems'], ['InputType']);
  oneOf(config['InputType'], below(below(path, 'ReaderConfig'), 'InputType'), ['JSONL']);
  const place = fieldsAt(fields['Arguments'], below(path, 'Arguments'), [], ['Bucket', 'Key']);
  return {
    bucket: placeAt(place, 'Bucket', path),
    key: placeAt(place, 'Key', path),
    maxItems: optional(config, 'MaxItems', below(path, 'ReaderConfig'), (entry, at) =>
      numericAt(entry, at, { min: 1, max: ITEMS_MAX, whole: true }),
    ),
  };
}

function parseWriter(value: unknown, path: string): ResultWriter {
  const fields = fieldsAt(value, path, ['WriterConfig'], ['Resource', 'Arguments']);
  oneOf(fields['Resource'], below(path, 'Resource'), ['arn:aws:states:::s3:putObject']);
  const place = fieldsAt(fields['Arguments'], below(path, 'Arguments'), ['Prefix'], ['Bucket']);
  const at = below(path, 'WriterConfig');
  const config = fieldsAt(
    fields['WriterConfig'] ?? { Transformation: 'NONE', OutputType: 'JSON' },
    at,
    [],
    ['Transformation', 'OutputType'],
  );
  return {
    bucket: placeAt(place, 'Bucket', path),
    prefix: place['Prefix'] === undefined ? undefined : placeAt(place, 'Prefix', path),
    transformation: oneOf(config['Transformation'], below(at, 'Transformation'), ['NONE', 'COMPACT', 'FLATTEN']),
    outputType: oneOf(config['OutputType'], below(at, 'OutputType'), ['JSON', 'JSONL']),
  };
}

const placeAt = (place: Fields, field: string, path: string) => textAt(place[field], below(below(path, 'Arguments'), field));
