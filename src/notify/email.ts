/** A mail by SMTP. The mails about one problem make a thread. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { errorCodeOf } from '../errors.js';
import { plain } from '../plain.js';
import { type Attempt, type ChannelKind, DeliveryError, deadlineOf } from './channel.js';
import { whyNot } from './http.js';
import type { ProblemMessage } from './message.js';
import { cut, subjectOf, textOf } from './wording.js';

const address = () =>
  z.string().regex(/^[^\s@,;<>()]+@[^\s@,;<>()]+$/, { error: 'an address such as ops@example.com is needed' });

const options = z
  .strictObject({
    host: z.string().min(1).describe('The mail server.'),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .default(587)
      .describe('587 with starttls, 465 with tls, 25 within a network of your own.'),
    tls: z
      .enum(['starttls', 'tls', 'none'])
      .default('starttls')
      .describe(
        'starttls and tls need a certificate that is trusted; none sends everything, the password too, in the clear.',
      ),
    user: z.string().min(1).optional().describe('Default: no login.'),
    password: z.string().min(1).optional().describe('Of that user.'),
    from: address().describe('The sender.'),
    to: z.array(address()).min(1).describe('The recipients.'),
  })
  .superRefine(({ user, password }, context) => {
    if ((user === undefined) === (password === undefined)) return;
    const missing = user === undefined ? 'user' : 'password';
    context.addIssue({ code: 'custom', path: [missing], message: '`user` and `password` go together' });
  });

export const email: ChannelKind<'email', typeof options, ProblemMessage> = {
  kind: 'email',
  description: 'Sends a mail.',
  options,
  secrets: ({ password }) => (password === undefined ? [] : [password]),
  deliver: send,
};

async function send(
  { host, port, tls, user, password, from, to }: z.output<typeof options>,
  message: ProblemMessage,
  attempt: Attempt,
): Promise<void> {
  // Most installations have no use for it: loaded when it is needed.
  const { createTransport } = await import('nodemailer');
  // The deadline comes first, and knows what to say; these end what it leaves behind.
  const laterMs = attempt.timeoutMs + 1000;
  const transport = createTransport({
    host,
    port,
    secure: tls === 'tls',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
    connectionTimeout: laterMs,
    greetingTimeout: laterMs,
    socketTimeout: laterMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const deadline = deadlineOf(attempt);
  const broken = new Promise<never>((_, reject) => {
    deadline.addEventListener('abort', () => reject(new Error('aborted', { cause: deadline.reason })));
  });
  const domain = from.slice(from.indexOf('@') + 1);
  const thread = `<${digest(message.dedupKey + message.since)}@${domain}>`;
  try {
    const sending = transport.sendMail({
      from,
      to: [...to],
      subject: cut(subjectOf(message), 200),
      text: `${plain(message.title)}\n\n${textOf(message)}\n`,
      // The same for each attempt at one message: a mail that was taken twice can be told by it.
      messageId:
        message.event === 'problem' ? thread : `<${digest(message.dedupKey + message.event + message.at)}@${domain}>`,
      ...(message.event !== 'problem' && { inReplyTo: thread, references: thread }),
      date: new Date(message.at),
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
    // Raced, and then broken off: its end is nobody's any more.
    sending.catch(() => undefined);
    await Promise.race([sending, broken]);
  } catch (error) {
    if (deadline.aborted) throw new DeliveryError(whyNot(deadline.reason, attempt), { cause: error });
    throw failure(error, attempt);
  } finally {
    transport.close();
  }
}

/** 5xx speaks of this mail, or of this login; 4xx is meant to pass. */
function failure(error: unknown, attempt: Attempt): DeliveryError {
  const code = errorCodeOf(error);
  const said = error instanceof Error ? error.message : '';
  if (code === 'ETLS' || /certificate|self-signed/i.test(said))
    return new DeliveryError(`no secure connection: ${cut(plain(said), 120)}`, { cause: error });
  const answer = answerIn(error);
  if (answer === undefined) return new DeliveryError(whyNot(reasonOf(error), attempt), { cause: error });
  return new DeliveryError(`answered ${cut(plain(answer.words), 200)}`, {
    status: answer.status,
    isRefusal: answer.status >= 550 && code !== 'EAUTH',
    cause: error,
  });
}

/** nodemailer says ESOCKET or EDNS of everything; what the system said stands beside it. */
function reasonOf(error: unknown): unknown {
  const isKnown = error instanceof Error && 'originalCode' in error && typeof error.originalCode === 'string';
  return isKnown ? { code: error.originalCode } : error;
}

function answerIn(error: unknown): { readonly status: number; readonly words: string } | undefined {
  if (!(error instanceof Error && 'responseCode' in error && typeof error.responseCode === 'number')) return undefined;
  const words = 'response' in error && typeof error.response === 'string' ? error.response : String(error.responseCode);
  return { status: error.responseCode, words };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
