import type { Clock } from '../../src/schedule/scheduler.js';

/** A clock turned by hand. Elapsed time, which timers follow, and the wall clock are apart, as on a real machine. */
export class ManualClock implements Clock {
  /** How long each timer was to be, in the order they were set. */
  readonly sleeps: number[] = [];
  readonly #timers = new Set<{ at: number; fire: () => void }>();
  #wall: number;
  #elapsed = 0;

  constructor(start: string) {
    this.#wall = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#wall);
  }

  setTimer(fire: () => void, ms: number): { clear(): void } {
    // A timer that does not wait would turn the clock for ever without moving it.
    if (!(ms > 0)) throw new Error(`a timer of ${ms} ms`);
    const timer = { at: this.#elapsed + ms, fire };
    this.sleeps.push(ms);
    this.#timers.add(timer);
    return { clear: () => void this.#timers.delete(timer) };
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Time passes: timers fire when they are due, the wall clock goes along. */
  elapse(ms: number): void {
    const end = this.#elapsed + ms;
    for (let timer = this.#first(); timer !== undefined && timer.at <= end; timer = this.#first()) {
      this.#timers.delete(timer);
      this.#pass(timer.at - this.#elapsed);
      timer.fire();
    }
    this.#pass(end - this.#elapsed);
  }

  elapseUntil(time: string): void {
    this.elapse(Date.parse(time) - this.#wall);
  }

  /** The wall clock jumps and no timer notices: it was set, or the machine slept. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  jumpTo(time: string): void {
    this.#wall = Date.parse(time);
  }

  #first(): { at: number; fire: () => void } | undefined {
    return [...this.#timers].sort((one, other) => one.at - other.at)[0];
  }

  #pass(ms: number): void {
    this.#elapsed += ms;
    this.#wall += ms;
  }
}
