import type { StageEvent } from '../scenarios/stage.ts';

const COLOURS = { heading: '1', arrow: '2', held: '32', failed: '31', note: '36' } as const;

/** Prints what happens on a stage as a sequence: one line for each message, in columns. ASCII alone; colours only where they are wanted. */
export class SequencePrinter {
  readonly #write: (line: string) => void;
  readonly #coloured: boolean;
  #messages = 0;
  #held = 0;

  constructor(write: (line: string) => void, coloured: boolean) {
    this.#write = write;
    this.#coloured = coloured;
  }

  heading(text: string): void {
    this.#write('');
    this.#write(this.#colour('heading', text));
    this.#write(this.#colour('heading', '-'.repeat(text.length)));
  }

  print(event: StageEvent): void {
    if (event.kind === 'note') this.#write(this.#colour('note', `  ${printable(event.text)}`));
    else if (event.kind === 'message') {
      this.#messages += 1;
      const parties = `${inColumn(event.from, 6)} ${this.#colour('arrow', '-->')} ${inColumn(event.to, 6)}`;
      this.#write(`  ${parties}  ${inColumn(printable(event.what), 52)}  ${printable(event.meaning)}`.trimEnd());
    } else {
      if (event.held) this.#held += 1;
      this.#write(this.#colour(event.held ? 'held' : 'failed', `    [${event.held ? 'ok' : '!!'}] ${printable(event.text)}`));
    }
  }

  failure(text: string): void {
    this.#write('');
    for (const line of `FAILED: ${text}`.split('\n')) this.#write(this.#colour('failed', line));
  }

  /** `duration` in milliseconds. */
  summary(duration: number): void {
    this.#write('');
    this.#write(
      this.#colour('held', `${this.#held} expectations held over ${this.#messages} messages in ${(duration / 1000).toFixed(1)} s`),
    );
  }

  #colour(role: keyof typeof COLOURS, text: string): string {
    return this.#coloured ? `\x1b[${COLOURS[role]}m${text}\x1b[0m` : text;
  }
}

/** The text in a column of that width; what is longer loses its middle. */
function inColumn(text: string, width: number): string {
  if (text.length <= width) return text.padEnd(width);
  const kept = width - 2;
  return `${text.slice(0, Math.ceil(kept / 2))}..${text.slice(text.length - Math.floor(kept / 2))}`;
}

function printable(text: string): string {
  return text.replaceAll('’', "'").replace(/[^\x20-\x7e]/g, '?');
}
