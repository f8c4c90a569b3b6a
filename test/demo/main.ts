import { SCENARIOS } from '../scenarios/all.ts';
import { Stage } from '../scenarios/stage.ts';
import { SequencePrinter } from './sequence-printer.ts';

/** Plays scenarios 3 to 14 against the real server and prints them. Exit status 0 only if every expectation held. */
async function main(): Promise<number> {
  const printer = new SequencePrinter((line) => process.stdout.write(`${line}\n`), process.stdout.isTTY === true);
  const started = Date.now();
  for (const scenario of SCENARIOS.filter(({ number }) => number >= 3 && number <= 14)) {
    printer.heading(`Scenario ${scenario.number}: ${scenario.title}`);
    const stage = new Stage((event) => printer.print(event));
    try {
      await scenario.play(stage);
      await stage.close();
    } catch (error) {
      await stage.close().catch(() => {});
      printer.failure(error instanceof Error ? error.message : String(error));
      return 1;
    }
  }
  printer.summary(Date.now() - started);
  return 0;
}

process.exitCode = await main();
