/**
 * A program of the operator's own, started as it is listed, without a shell; the message is JSON on its standard input. It has delivered
 * the message when it ends with 0. What it says goes to our standard error, never into the log, which holds no one else's words.
 */
import { spawn } from 'node:child_process';
import { z } from 'zod';
import { errorCodeOf } from '../errors.js';
import { plain } from '../plain.js';
import { type Attempt, type ChannelKind, DeliveryError, deadlineOf } from './channel.js';
import { whyNot } from './http.js';
import { documentOf, type ProblemMessage } from './message.js';

const options = z.strictObject({
  command: z
    .array(z.string())
    .min(1)
    .describe('A program and its arguments, as a list, run without a shell. It reads one JSON document.'),
});

export const exec: ChannelKind<'exec', typeof options, ProblemMessage> = {
  kind: 'exec',
  description: 'Starts a program of yours, which reads the message as JSON.',
  options,
  secrets: () => [],
  deliver: ({ command }, message, attempt) => run(command, `${JSON.stringify(documentOf(message))}\n`, attempt),
};

async function run([program = '', ...args]: readonly string[], input: string, attempt: Attempt): Promise<void> {
  const deadline = deadlineOf(attempt);
  await new Promise<void>((resolve, reject) => {
    // In a group of its own, so that its deadline ends what it has started, too.
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
    const end = (why: string | undefined): void => {
      deadline.removeEventListener('abort', stop);
      if (why === undefined) resolve();
      else reject(new DeliveryError(why));
    };
    const stop = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
      end(whyNot(deadline.reason, attempt));
    };
    deadline.addEventListener('abort', stop);
    child.once('error', (error) => end(`could not be started (${plain(errorCodeOf(error) ?? 'unknown')})`));
    child.once('exit', (code, signal) => {
      if (code === 0) end(undefined);
      else end(signal === null ? `ended with code ${code ?? 0}` : `was ended by ${signal}`);
    });
    // A program that does not read to the end is not wrong for it: its exit code speaks.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    if (deadline.aborted) stop();
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
