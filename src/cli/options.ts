import type { Options } from './command.ts';

/** Everywhere. */
export const GLOBAL_OPTIONS: Options = {
  env: { type: 'string', value: '<name>', help: 'environment: a name in environments/ or the path of a file (default local)' },
  json: { type: 'boolean', help: 'print one JSON document on stdout' },
  progress: { type: 'string', value: '<how>', help: 'progress on stderr: auto, tty, plain, json or none' },
  local: { type: 'boolean', help: 'run the machines here, also where the environment is deployed on AWS' },
  help: { type: 'boolean', help: 'show this' },
};

/** On each command that reads or writes a store. */
export const STORE_OPTION: Options = {
  store: { type: 'string', value: '<url>', help: 'a store in place of an environment: file:///path or s3://bucket/prefix' },
};

/** On each command that starts a machine. */
export const RUN_OPTIONS: Options = {
  'stop-on-interrupt': { type: 'boolean', help: 'on AWS, Ctrl-C stops the execution; it goes on otherwise' },
};

export const SOURCE_OPTION: Options = {
  source: { type: 'string', value: '<name>', help: 'whose backup, where the store has more than one source' },
};
