/** Where a command reads from and writes to. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream;
  out(line: string): void;
  err(line: string): void;
}
