import { pino } from 'pino';
import type { Logger } from '../../server/logger.ts';

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** A logger whose lines a test can look at and wait for. */
export class LogLines {
  readonly lines: LogLine[] = [];
  readonly logger: Logger;
  private waiting: (() => void)[] = [];

  constructor(level = 'info') {
    const write = (text: string): void => {
      this.lines.push(JSON.parse(text) as LogLine);
      for (const wake of this.waiting.splice(0)) wake();
    };
    this.logger = pino({ level }, { write });
  }

  of(message: string): readonly LogLine[] {
    return this.lines.filter(({ msg }) => msg === message);
  }

  /** The first line with that message, once it is there. */
  async next(message: string): Promise<LogLine> {
    for (;;) {
      const [line] = this.of(message);
      if (line) return line;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }
}
