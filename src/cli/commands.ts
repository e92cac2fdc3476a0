import type { Command } from './command.ts';
import { backup } from './commands/backup.ts';
import { diff } from './commands/diff.ts';
import { doctor } from './commands/doctor.ts';
import { drill } from './commands/drill.ts';
import { dump } from './commands/dump.ts';
import { executions } from './commands/executions.ts';
import { init } from './commands/init.ts';
import { inspect } from './commands/inspect.ts';
import { list } from './commands/list.ts';
import { load } from './commands/load.ts';
import { logs } from './commands/logs.ts';
import { migrate } from './commands/migrate.ts';
import { plan } from './commands/plan.ts';
import { prune } from './commands/prune.ts';
import { report } from './commands/report.ts';
import { restore } from './commands/restore.ts';
import { show } from './commands/show.ts';
import { upgrade } from './commands/upgrade.ts';
import { verify } from './commands/verify.ts';

/** Every command, in the order of `--help`; a test holds this list equal to the folder. */
export const commands: readonly Command[] = [
  backup,
  list,
  show,
  verify,
  inspect,
  diff,
  restore,
  drill,
  report,
  dump,
  load,
  migrate,
  upgrade,
  plan,
  doctor,
  init,
  prune,
  executions,
  logs,
];
