/** What host and child say to each other over the IPC channel. */
import type { JobErrorCode } from '../errors.js';

export type ToChild =
  /** The first thing said, if anything is to be said: where SQLite puts temporary files. Not answered. */
  | { readonly kind: 'environment'; readonly tempDirectory: string }
  | { readonly kind: 'call'; readonly id: number; readonly operation: string; readonly request: unknown }
  | { readonly kind: 'lock'; readonly id: number; readonly path: string }
  /** Give back whatever this session has taken: the lock, a pinned database. */
  | { readonly kind: 'reset'; readonly id: number };

export type FromChild =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly id: number; readonly done: number; readonly total: number }
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown }
  | {
      readonly kind: 'failure';
      readonly id: number;
      readonly code: JobErrorCode;
      readonly message: string;
      readonly cause: string;
    };
