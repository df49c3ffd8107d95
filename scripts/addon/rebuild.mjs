/**
 * After an installation: compiles better-sqlite3 again where it was compiled with a defect of Node.js 24.19 and later 24.x (object-wrap.h says
 * which). Binaries that were downloaded are older than that defect; other versions of Node.js do not have it. Nothing is done then.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const library = path.dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json'));
const addon = path.join(library, 'build', 'Release', 'better_sqlite3.node');
const npm = process.env['npm_execpath'];

const hasDefect = () => fs.existsSync(addon) && fs.readFileSync(addon).includes('RemoveEnvironmentCleanupHook');

if (process.versions.node.startsWith('24.') && hasDefect()) {
  console.log(`compiling better-sqlite3 again, without a defect of Node.js ${process.version}: about a minute`);
  const include = `-include "${path.join(import.meta.dirname, 'object-wrap.h')}"`;
  const environment = {
    ...process.env,
    CXXFLAGS: `${process.env['CXXFLAGS'] ?? ''} ${include}`.trim(),
    npm_config_build_from_source: 'true',
  };
  const [program, ...before] = npm === undefined ? ['npm'] : [process.execPath, npm];
  const { status } = spawnSync(program, [...before, 'rebuild', 'better-sqlite3'], {
    cwd: path.join(import.meta.dirname, '..', '..'),
    env: environment,
    stdio: 'inherit',
  });
  if (status !== 0 || hasDefect()) {
    console.error(`better-sqlite3 could not be compiled without it: use another Node.js than ${process.version}`);
    process.exitCode = 1;
  }
}
