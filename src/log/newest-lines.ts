/** The last lines of the log, in memory, so that a run that failed can be told with its own last words. Bounded in number and size. */

const mostLines = 500;
const mostBytes = 256 * 1024;

export class NewestLines {
  #lines: { readonly runId: string; readonly line: string; readonly bytes: number }[] = [];
  #bytes = 0;

  /** Lines that belong to no run are not kept. */
  add(runId: unknown, line: string): void {
    if (typeof runId !== 'string') return;
    const bytes = Buffer.byteLength(line);
    this.#lines.push({ runId, line, bytes });
    this.#bytes += bytes;
    while (this.#lines.length > mostLines || (this.#bytes > mostBytes && this.#lines.length > 1))
      this.#bytes -= this.#lines.shift()?.bytes ?? 0;
  }

  of(runId: string): string[] {
    return this.#lines.filter((kept) => kept.runId === runId).map(({ line }) => line);
  }
}
