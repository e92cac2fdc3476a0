import type { Json, Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Conclusion, Facts, Services, Stage, StageContext, Tampering, Target } from '../contract.ts';

/** How to log in to a database in a temporary instance. The password is in memory only. */
export interface Login {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly auth: 'password' | 'iam';
  /** Absent with tokens of IAM. */
  readonly password?: string;
  readonly sslmode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  readonly sslrootcert?: string | undefined;
  /** A reference. */
  readonly fernetKey?: string | undefined;
}

/**
 * The kind of source that speaks to the server inside of an instance. Sources know nothing of each other: the registry hands these
 * in. Whatever is logged in to was made by Lifeboat and is thrown away.
 */
export interface Engine {
  /** As RDS calls them: `postgres`. */
  readonly names: readonly string[];
  /** For people: `PostgreSQL`. */
  readonly product: string;
  inspect(login: Login, services: Services): Promise<Facts>;
  /** Independent tasks, each of which reads at a `quiesced` token over a connection of its own. */
  dump(login: Login, services: Services): Stage;
  /** The token of an instant of a server that nobody else writes to; `origin` names it. */
  quiesced(origin: string): Readonly<Record<string, Json>>;
  readonly seal: Stage;
  conclude(context: StageContext): Promise<Conclusion>;
  /** With a manifest without details, only what must hold in any database. */
  audit(login: Login, services: Services): Stage;
  tamper(login: Login, services: Services, manifest: Manifest, seed: number, budget: Budget): Promise<Tampering>;
  /** Where a backup of rows goes: the database of the login, which a drill makes. Nobody is asked before a stage is run. */
  target(login: Login, services: Services): Target;
}

/** Fails with Unsupported. */
export const engineNamed = (engines: readonly Engine[], name: string): Engine => {
  const found = engines.find((engine) => engine.names.includes(name));
  if (found !== undefined) return found;
  throw new LifeboatError('Unsupported', `Lifeboat does not speak to the RDS engine ${name}`, {
    hint: `It speaks to ${engines.flatMap((engine) => engine.names).join(', ')}.`,
  });
};
