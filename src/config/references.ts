/**
 * What stands elsewhere than in the file: `${NAME}` in any text, and `{ file: PATH }` or `{ credential: NAME }` instead of one. The
 * values may be secrets: no message here shows one.
 */
import { join, resolve } from 'node:path';
import { readText } from './read-text.js';
import { suggestion } from './suggest.js';

/** Where values come from, besides the configuration file. */
export interface Environment {
  readonly variables: NodeJS.ProcessEnv;
  /** systemd's directory of credentials; default: the variable CREDENTIALS_DIRECTORY. */
  readonly credentialsDirectory?: string | undefined;
}

/** The keys of the two mappings that may stand for a text. */
export type ReferenceKind = 'file' | 'credential';

export function isReferenceKind(key: string): key is ReferenceKind {
  return key === 'file' || key === 'credential';
}

/** The text with `${NAME}` and `${NAME:-default}` filled in; `$${` stands for `${`. @throws Error for people */
export function interpolated(text: string, variables: NodeJS.ProcessEnv): string {
  return text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (match: string, body = '', end = '') =>
    match === '$${' ? '${' : valueOf(String(body), end === '}', variables),
  );
}

function valueOf(body: string, closed: boolean, variables: NodeJS.ProcessEnv): string {
  const { name, fallback } = /^(?<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?<fallback>.*))?$/s.exec(body)?.groups ?? {};
  if (!closed || name === undefined) {
    throw new Error('a reference to the environment is ${NAME} or ${NAME:-default}; write $${ for a literal ${');
  }
  const value = variables[name];
  if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
  if (value !== undefined) return value;
  const meant = suggestion(name, Object.keys(variables));
  throw new Error(
    `the environment variable ${name} is not set${meant || `; \${${name}:-default} would give it a default`}`,
  );
}

/** The contents of a file or credential without the newline at its end. Relative paths are relative to `directory`. @throws Error for people */
export function contentsOf(kind: ReferenceKind, target: string, directory: string, environment: Environment): string {
  const path = kind === 'file' ? resolve(directory, target) : credentialPath(target, environment);
  try {
    return readText(path).replace(/\r?\n$/, '');
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    const advice = kind === 'credential' ? `: is there a LoadCredential=${target}:… in the unit?` : '';
    throw new Error(`${kind} ${kind === 'file' ? path : target} ${said}${advice}`, { cause });
  }
}

function credentialPath(name: string, { credentialsDirectory, variables }: Environment): string {
  const directory = credentialsDirectory ?? variables['CREDENTIALS_DIRECTORY'];
  if (!/^[^/]+$/.test(name) || name === '.' || name === '..') {
    throw new Error('a credential is a name without slashes, as in LoadCredential=NAME:PATH');
  }
  if (directory === undefined) {
    throw new Error(
      `credential ${name}: CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential=`,
    );
  }
  return join(directory, name);
}
