/** What channels are told, as plain data: it waits in the spool as JSON, and each channel writes it in the manner of its receiver. */

/** What kind of thing is wrong: channels choose by it. */
export const problemKinds = ['failure', 'damage', 'restore', 'overdue'] as const;
export type ProblemKind = (typeof problemKinds)[number];

/** Something open that somebody should look at. The same thing keeps its key from one moment to the next. */
export interface OpenProblem {
  readonly key: string;
  readonly kind: ProblemKind;
  readonly severity: 'critical' | 'warning';
  readonly database: string | null;
  readonly schedule: string | null;
  readonly title: string;
  readonly message: string;
  readonly advice: string;
  readonly since: Date;
}

/** Something that is wrong, still wrong, or over. Times are ISO 8601 in UTC. */
export interface ProblemMessage {
  readonly event: 'problem' | 'reminder' | 'recovery';
  /** The same from a problem to its recovery, also when the host gets another name meanwhile. */
  readonly dedupKey: string;
  readonly key: string;
  readonly kind: ProblemKind;
  readonly severity: 'critical' | 'warning';
  readonly database: string | null;
  readonly schedule: string | null;
  readonly title: string;
  readonly message: string;
  readonly advice: string;
  readonly since: string;
  readonly at: string;
  readonly host: string;
  /** Whether it keeps coming and going, and is told less often for it. */
  readonly flapping: boolean;
}

/** A run of one schedule has begun, has gone well, or has not. */
export interface RunMessage {
  readonly event: 'start' | 'success' | 'fail';
  readonly schedule: string;
  readonly runId: string;
  readonly at: string;
  readonly host: string;
  /** The last lines of the run's log, where it did not go well. */
  readonly log: string;
}

export type Message = ProblemMessage | RunMessage;

export function isRunMessage(message: Message): message is RunMessage {
  return 'runId' in message;
}

/** The document that `webhook` posts and `exec` reads. */
export function documentOf(message: ProblemMessage): object {
  const { dedupKey, ...rest } = message;
  return { ...rest, dedup_key: dedupKey, program: 'debuggle-maintenance' };
}
