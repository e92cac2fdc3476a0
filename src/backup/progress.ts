/** What is told while work goes on. The command line prints it in one of three ways; on AWS it is a log line. */
export type Progress =
  | { readonly type: 'state'; readonly machine: string; readonly state: string }
  | { readonly type: 'planned'; readonly stage: string; readonly tasks: number }
  /** How many tasks of a stage have ended by now, where nobody tells of each. */
  | { readonly type: 'tally'; readonly stage: string; readonly tasks: number; readonly ended: number; readonly running: number }
  | { readonly type: 'task'; readonly stage: string; readonly task: number; readonly status: 'ended' | 'continued' | 'retried' }
  | { readonly type: 'done'; readonly stage: string; readonly rows: number; readonly bytes: number; readonly what?: string | undefined }
  | { readonly type: 'warning'; readonly message: string };

export type Report = (progress: Progress) => void;
