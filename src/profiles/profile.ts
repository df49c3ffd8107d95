/** What ships tuned for a known application: which tables make its database, and the queries that stand for its work. Data only. */
import { debuggle } from './debuggle.js';

export interface Profile {
  /** Tables without which the file is not this application's database. */
  readonly requiredTables: readonly string[];
  /** What the application does most; its duration is the database's query time. */
  readonly probe: string;
  /** Answers one number: the rows of the main table. */
  readonly totalRows: string;
  /** Answers one number: the rows of the last 24 hours. */
  readonly recentActivity: string;
}

export const profileNames = ['debuggle'] as const;
export type ProfileName = (typeof profileNames)[number];

export const profiles: Readonly<Record<ProfileName, Profile>> = { debuggle };
