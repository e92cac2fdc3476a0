import type { Progress } from '../backup/progress.ts';

/** The invocation that lines of a log are of. */
export interface Invocation {
  readonly request: string;
  /** Absent where the step is of no source, or of no run. */
  readonly source?: string | undefined;
  /** The id of the backup, the restore or the drill. */
  readonly run?: string | undefined;
}

/** What a function tells of itself beside its answer: one JSON object a line, each with the source and the run that it is of. */
export interface StepLog {
  /** What is told from here on is of this invocation. */
  begin(invocation: Invocation): void;
  report(progress: Progress): void;
  ended(milliseconds: number): void;
  failed(failure: { readonly code: string; readonly message: string; readonly hint: string }, milliseconds: number): void;
}

/** Local runs hand progress to who started them, and keep no log of functions. */
export const noLog: StepLog = { begin: () => undefined, report: () => undefined, ended: () => undefined, failed: () => undefined };

/** Powertools' logger, which adds the time, the level and X-Ray's trace id. Loaded here, since only functions on AWS pay for it. */
export const openLog = async (environment: string): Promise<StepLog> => {
  const { Logger } = await import('@aws-lambda-powertools/logger');
  const logger = new Logger({ serviceName: 'lifeboat', persistentKeys: { environment } });
  return {
    begin({ request, source, run }) {
      logger.resetKeys();
      logger.appendKeys({ function_name: process.env['AWS_LAMBDA_FUNCTION_NAME'], function_request_id: request, source, run });
    },
    report(progress) {
      if (progress.type === 'warning') logger.warn(progress.message);
      else logger.info(progress.type, { ...progress });
    },
    ended: (milliseconds) => logger.info('ended', { milliseconds }),
    failed: ({ code, message, hint }, milliseconds) => logger.error(message, { code, hint, milliseconds }),
  };
};
