/**
 * The HTTP server: reads what was gathered, changes nothing. Clients are strangers: what they may hold (connections, headers, time, memory)
 * is bounded, so that whatever they do, the schedule goes on. An answer is made at most once a second and its bytes are shared by all who
 * ask meanwhile: a thousand slow readers hold one copy.
 *
 * A port that is taken keeps nobody from being backed up: it is said, and tried again every half minute.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { errorCodeOf } from '../errors.js';
import type { Logger } from '../jobs/job.js';
import type { Overview } from '../overview/overview.js';
import { type AccessRules, judgeAccess } from './access.js';
import { type Answer, type AnswerSources, answerTo, parseTarget, type Question, text } from './answers.js';

export interface HttpOptions extends AccessRules {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly maxConnections: number;
}

const retryMs = 30_000;
const keepMs = 1000;
/** Of single databases: more than anybody asks for within a second. */
const mostKept = 50;

type Kept = Map<string, { readonly answer: Promise<Sent>; readonly until: number }>;

export class HttpServer {
  readonly #options: HttpOptions;
  readonly #sources: AnswerSources;
  readonly #watched: () => Overview;
  readonly #log: Logger;
  readonly #server: Server;
  /** The oldest first. */
  readonly #connections = new Set<Socket>();
  /** Of all databases: the costly ones, and only a few. Apart, so that no crowd of questions about single ones makes them be made again. */
  readonly #ofAll: Kept = new Map();
  readonly #ofOne: Kept = new Map();
  #judged: { readonly overview: Overview; readonly until: number } | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** Listens, or goes on trying to. */
  constructor(options: HttpOptions, sources: AnswerSources, log: Logger) {
    this.#options = options;
    this.#watched = sources.overview;
    this.#sources = { ...sources, overview: () => this.#overview() };
    this.#log = log;
    this.#server = createServer(
      {
        maxHeaderSize: 16 * 1024,
        // Of a whole request, and of its headers: a client that dribbles is cut off.
        headersTimeout: 10_000,
        requestTimeout: 10_000,
        keepAliveTimeout: 5000,
        connectionsCheckingInterval: 2000,
      },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
    this.#server.on('connection', (socket: Socket) => this.#admit(socket));
    // A connection on which nothing happens, not even reading what it asked for.
    this.#server.setTimeout(20_000, (socket) => socket.destroy());
    this.#server.on('clientError', (_, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      else socket.destroy();
    });
    this.#server.on('error', (error) => this.#failed(error));
    this.#server.on('listening', () => {
      // Closed while the name of its address was looked up: Node.js listens all the same.
      if (this.#closed) {
        this.#server.close();
        return;
      }
      const { address, port } = this.#server.address() as AddressInfo;
      log.info(
        { address, port, url: `http://${address.includes(':') ? `[${address}]` : address}:${port}/` },
        'http is listening',
      );
    });
    this.#listen();
  }

  /** Open connections are cut: an answer takes no time, and nobody waits for one while the daemon ends. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #listen(): void {
    const { host, port } = this.#options;
    this.#server.listen({ host, port });
  }

  #failed(error: Error): void {
    if (this.#closed || this.#server.listening) return;
    const { host, port } = this.#options;
    if (this.#retry === undefined) this.#log.error({ err: error, host, port }, complaint(error, this.#options));
    this.#retry = setTimeout(() => this.#listen(), retryMs);
    this.#retry.unref();
  }

  /** An answer takes no time: with as many as there may be, the oldest is one that holds on, and whoever comes to ask is served. */
  #admit(socket: Socket): void {
    const [oldest] = this.#connections;
    if (oldest !== undefined && this.#connections.size >= this.#options.maxConnections) {
      this.#connections.delete(oldest);
      oldest.destroy();
    }
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Whatever comes with the request is of no interest.
    request.resume();
    try {
      const { method = '' } = request;
      send(response, await this.#decide(request, method), method === 'HEAD');
    } catch (error) {
      this.#log.error({ err: error }, 'a request could not be answered');
      if (!response.headersSent) send(response, toBytes(text(500, 'this could not be answered')), false);
    }
  }

  async #decide(request: IncomingMessage, method: string): Promise<Sent> {
    const { host, authorization } = request.headers;
    const access = judgeAccess({ host, authorization }, this.#options);
    if (!access.allowed) {
      const challenge =
        access.status === 401 ? { 'WWW-Authenticate': 'Basic realm="debuggle-maintenance", charset="UTF-8"' } : {};
      return toBytes(text(access.status, access.message), challenge);
    }
    if (method !== 'GET' && method !== 'HEAD')
      return toBytes(text(405, 'only GET and HEAD are answered'), { Allow: 'GET, HEAD' });
    const question = parseTarget(request.url ?? '/');
    return question === undefined ? toBytes(text(400, 'this is no address')) : await this.#made(question);
  }

  /** The answer of less than a second ago, or a new one. */
  #made(question: Question): Promise<Sent> {
    const key = JSON.stringify(question);
    const kept = question.choice.database === undefined ? this.#ofAll : this.#ofOne;
    const now = performance.now();
    const had = kept.get(key);
    if (had !== undefined && now < had.until) return had.answer;
    const answer = answerTo(question, this.#sources).then((made) => toBytes(made));
    if (kept.size >= mostKept) kept.clear();
    kept.set(key, { answer, until: now + keepMs });
    return answer;
  }

  /** Judged once a second at most, whatever is asked for. */
  #overview(): Overview {
    const now = performance.now();
    if (this.#judged === undefined || now >= this.#judged.until)
      this.#judged = { overview: this.#watched(), until: now + keepMs };
    return this.#judged.overview;
  }
}

interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer;
}

const nothing = "default-src 'none'; frame-ancestors 'none'";

function toBytes({ status, contentType, body, policy }: Answer, more: Readonly<Record<string, string>> = {}): Sent {
  const bytes = Buffer.from(body, 'utf8');
  return {
    status,
    body: bytes,
    headers: {
      'Content-Type': contentType,
      'Content-Length': bytes.length,
      'Cache-Control': 'no-store',
      'Content-Security-Policy': policy ?? nothing,
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Resource-Policy': 'same-origin',
      ...more,
    },
  };
}

function send(response: ServerResponse, { status, headers, body }: Sent, headOnly: boolean): void {
  response.writeHead(status, headers);
  if (headOnly) response.end();
  else response.end(body);
}

function complaint(error: Error, { host, port }: HttpOptions): string {
  const again = 'maintenance goes on without it, and it is tried again every 30 s';
  switch (errorCodeOf(error)) {
    case 'EADDRINUSE':
      return `http: port ${port} of ${host} is taken by another program: set \`http.listen\` to a free one, or \`http: false\`; ${again}`;
    case 'EACCES':
      return `http: port ${port} of ${host} may not be used by this user: ports below 1024 need a privilege; ${again}`;
    case 'EADDRNOTAVAIL':
      return `http: ${host} is no address of this machine: correct \`http.listen\`; ${again}`;
    default:
      return `http: ${host}:${port} cannot be listened on: ${error.message}; ${again}`;
  }
}
