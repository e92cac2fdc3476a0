import { pathToFileURL } from 'node:url';
import type { ObjectsOptions } from '../../contract.ts';
import type { Setting } from '../format/setting.ts';

/** Where the objects of a volume are, or why they cannot be looked at. */
export type Storage =
  | { readonly kind: 'reachable'; readonly url: string; readonly options: ObjectsOptions }
  | { readonly kind: 'unreachable'; readonly why: string };

const unreachable = (why: string): Storage => ({ kind: 'unreachable', why });

/** As juicefs finds them from Storage, Bucket and Name of its setting. */
export const storageOf = ({ storage, bucket, name, value }: Setting): Storage => {
  const shards = value['Shards'];
  if (typeof shards === 'number' && shards > 1) return unreachable('the volume is spread over several buckets');
  if (storage === 'file') {
    const path = bucket.replace(/^file:\/\//, '');
    if (!path.startsWith('/')) return unreachable(`its folder is no absolute path: ${bucket}`);
    return { kind: 'reachable', url: pathToFileURL(`${path.endsWith('/') ? path : `${path}/`}${name}`).href, options: {} };
  }
  if (storage === 's3' || storage === 'minio') return inS3(storage, bucket, name);
  return unreachable(`storage ${storage === '' ? 'without a name' : storage} is not supported: file, s3 and minio are`);
};

const inS3 = (storage: 's3' | 'minio', bucket: string, name: string): Storage => {
  const scheme = /^[a-z0-9]+:\/\//i.test(bucket) ? '' : storage === 's3' && bucket.includes('.amazonaws.com') ? 'https://' : 'http://';
  if (!URL.canParse(scheme + bucket)) return unreachable(`its bucket is no URL: ${bucket}`);
  const { protocol, host, pathname } = new URL(scheme + bucket);
  const [inPath] = pathname.split('/').filter((part) => part !== '' && !(storage === 'minio' && part === 'minio'));
  const amazon = /^(?:(?<bucket>[^/]+?)\.)?s3[.-](?:(?<region>[a-z0-9-]+)\.)?amazonaws\.com(?:\.cn)?$/.exec(host);
  if (storage === 's3' && amazon !== null) {
    const found = amazon.groups?.['bucket'] ?? inPath;
    const region = amazon.groups?.['region'];
    return found === undefined
      ? unreachable(`no bucket in ${bucket}`)
      : { kind: 'reachable', url: `s3://${found}/${name}`, options: region === undefined ? {} : { region } };
  }
  if (inPath !== undefined)
    return { kind: 'reachable', url: `s3://${inPath}/${name}`, options: { endpoint: `${protocol}//${host}`, forcePathStyle: true } };
  const [first, ...rest] = host.split('.');
  if (storage === 'minio' || first === undefined || rest.length === 0) return unreachable(`no bucket in ${bucket}`);
  return { kind: 'reachable', url: `s3://${first}/${name}`, options: { endpoint: `${protocol}//${rest.join('.')}`, forcePathStyle: true } };
};
