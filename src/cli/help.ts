import type { Command, Options } from './command.ts';
import { GLOBAL_OPTIONS } from './options.ts';

const EXIT_CODES = `Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 drill failed, 4 not measured, 10 no such store or backup,
11 lease held, 13 target not empty, 14 bytes, counts or digests differ, 130 interrupted.`;

/** `usage: lifeboat list [<source>] [--json] …`, for errors and help. */
export const usageLine = (command: Command | undefined): string => {
  if (command === undefined) return 'usage: lifeboat <command> [--env <name>] [--json] [--help]';
  const own = Object.entries(command.options).map(([name, option]) => `[--${name}${option.value === undefined ? '' : ` ${option.value}`}]`);
  return ['usage: lifeboat', command.name, command.usage, ...own, '[--env <name>] [--json] [--help]']
    .filter((part) => part !== '')
    .join(' ');
};

export const generalHelp = (commands: readonly Command[]): string => {
  const width = Math.max(...commands.map((command) => command.name.length + command.usage.length)) + 3;
  const lines = commands.map((command) => `  ${`${command.name} ${command.usage}`.padEnd(width)}${command.summary}`);
  return `Lifeboat: backups of metadata that are proven to restore.

${usageLine(undefined)}

${lines.join('\n')}

Everywhere:
${optionLines(GLOBAL_OPTIONS)}

${EXIT_CODES}

\`lifeboat <command> --help\` tells more of one.
`;
};

export const commandHelp = (command: Command): string => {
  const own = Object.keys(command.options).length === 0 ? '' : `\n${optionLines(command.options)}\n`;
  const details = command.details === undefined ? '' : `\n${command.details}\n`;
  return `lifeboat ${command.name}: ${command.summary}

${usageLine(command)}
${own}
Everywhere:
${optionLines(GLOBAL_OPTIONS)}
${details}`;
};

const optionLines = (options: Options): string => {
  const left = ([name, option]: [string, Options[string]]): string => `  --${name}${option.value === undefined ? '' : ` ${option.value}`}`;
  const width = Math.max(...Object.entries(options).map((entry) => left(entry).length)) + 2;
  return Object.entries(options)
    .map((entry) => `${left(entry).padEnd(width)}${entry[1].help}`)
    .join('\n');
};
