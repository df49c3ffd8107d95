/**
 * The command line: its commands, its options, and how every call ends. A command is loaded when it is called: all of them together take
 * three times as long to load as this file.
 */
import { Command, CommanderError } from '@commander-js/extra-typings';
import { suggestion } from '../config/suggest.js';
import { ConfigError, formatMistake, JobError, UsageError } from '../errors.js';
import { outcomeOfError } from '../jobs/outcome.js';
import { programVersion } from '../version.js';
import { parseCount, parseWait } from './option-values.js';
import { printError, printText, unwritten } from './terminal.js';

/** commander's own words go the way of ours: process.stdout would crash when its reader is gone. */
const output = {
  writeOut: printText,
  writeErr: (text: string): void => printError(...text.trimEnd().split('\n')),
};

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** @returns the exit code; never throws. An answer that could not be written is a failure, whatever it would have said. */
export async function main(args: readonly string[]): Promise<number> {
  const exitCode = await carryOut(args);
  const problem = unwritten();
  if (problem === undefined) return exitCode;
  printError(`debuggle-maintenance: ${problem}`);
  return exitCode === 0 ? 1 : exitCode;
}

async function carryOut(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const finish = async (work: () => Promise<number>): Promise<void> => {
    exitCode = await work();
  };

  const program = new Command('debuggle-maintenance')
    .description(
      'Keeps SQLite databases backed up, proven restorable, checked, analysed and watched.\nWithout a command: the daemon, in the foreground.',
    )
    .version(programVersion)
    .option(
      '-c, --config <file>',
      'the configuration (default: ./config.yaml, then /etc/debuggle-maintenance/config.yaml)',
    )
    .option('-d, --database <name>', 'only this database (repeatable)', collect)
    .option('--json', 'one JSON document on stdout')
    .option('--run-now <schedule>', 'run one schedule now, to its end, and exit')
    .option(
      '--wait <seconds>',
      'with --run-now: how long to wait for a database that another process works on',
      parseWait,
      600,
    )
    .option('--dry-run', 'with --run-now: say what each job would do and why; change nothing')
    .argument('[command]')
    .usage('[options] [command]')
    .showHelpAfterError('(--help lists the commands and options)')
    .configureOutput(output)
    .exitOverride()
    .action(async (word, options) => {
      if (word !== undefined)
        throw new UsageError(
          `there is no command ${word}${suggestion(
            word,
            program.commands.map((command) => command.name()),
          )}`,
        );
      const { runNow } = options;
      if (runNow !== undefined) await finish(async () => (await import('./run-now.js')).runNow({ ...options, runNow }));
      else if (options.dryRun === true) throw new UsageError('--dry-run goes with --run-now SCHEDULE');
      else await finish(async () => (await import('./serve.js')).serve(options));
    });
  const globals = () => program.opts();

  program
    .command('check-config')
    .description('find every mistake in the configuration')
    .action(() => finish(async () => (await import('./check-config.js')).checkConfig(globals())));
  program
    .command('status')
    .description('each database and schedule: last and next runs, backups, open problems')
    .action(() => finish(async () => (await import('./status.js')).status(globals())));
  program
    .command('backups')
    .description('the catalogue: every backup, how it was verified, why retention keeps it')
    .action(() => finish(async () => (await import('./backups.js')).backups(globals())));
  program
    .command('keep')
    .description('keep a backup until it is released, whatever the rules say')
    .argument('<backup>')
    .action((name) => finish(async () => (await import('./backups.js')).keep(globals(), name, true)));
  program
    .command('release')
    .description('leave a kept backup to the rules again')
    .argument('<backup>')
    .action((name) => finish(async () => (await import('./backups.js')).keep(globals(), name, false)));
  program
    .command('restore')
    .description('restore a backup of one --database to a file, or into the database itself')
    .option('--from <backup>', 'which backup (default: the newest sound one)')
    .option('--to <file>', 'where to; never overwritten without --force')
    .option('--force', 'with --to: replace the file, unless somebody has it open')
    .option('--in-place', 'into the live database; what it holds is put into quarantine first')
    .option('--yes', 'with --in-place: do not ask')
    .action((options) => finish(async () => (await import('./restore.js')).restore({ ...globals(), ...options })));
  program
    .command('next')
    .description('the next runs, in the configured time zone')
    .option('-n <count>', 'how many', parseCount, 10)
    .action((options) => finish(async () => (await import('./next.js')).next({ ...globals(), ...options })));
  program
    .command('report')
    .description('the last report')
    .action(() => finish(async () => (await import('./report.js')).report(globals())));
  program
    .command('ack')
    .description('settle what stands open for a database')
    .argument('<database>')
    .action((name) => finish(async () => (await import('./ack.js')).ack(globals(), name)));
  program
    .command('explain')
    .description("how the guard came to a run's decisions about a database")
    .argument('<run>')
    .action((run) => finish(async () => (await import('./explain.js')).explain(globals(), run)));
  program
    .command('notify-test')
    .description('send a test to every channel of notify, and say what became of it')
    .option('--channel <name>', 'only this channel')
    .action((options) =>
      finish(async () => (await import('./notify-test.js')).notifyTest({ ...globals(), ...options })),
    );
  for (const command of program.commands) command.exitOverride().configureOutput(output);

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return explain(error);
  }
}

/** The last word of a call that could not be carried out: one line, no stack, the right exit code. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ConfigError) {
    printError(...error.mistakes.map(formatMistake));
    return 78;
  }
  if (error instanceof UsageError) {
    printError(`debuggle-maintenance: ${error.message}`);
    return 2;
  }
  if (error instanceof JobError) {
    printError(`debuggle-maintenance: ${error.message}`);
    return outcomeOfError(error.code) === 'damaged' ? 3 : error.code === 'lock-held' ? 75 : 1;
  }
  const defect = error instanceof Error ? (error.stack ?? error.message) : String(error);
  printError(...`debuggle-maintenance: a defect of this program: ${defect}`.split('\n'));
  return 1;
}
