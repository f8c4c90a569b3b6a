import { type Scenario, Stage } from '../scenarios/stage.ts';
import type { SequencePrinter } from './sequence-printer.ts';

/** Plays scenarios one after the other, printing them. True only if every expectation held; the first that does not ends the play. */
export async function playScenarios(scenarios: readonly Scenario[], printer: SequencePrinter): Promise<boolean> {
  const started = Date.now();
  for (const scenario of scenarios) {
    printer.heading(`Scenario ${scenario.number}: ${scenario.title}`);
    const stage = new Stage((event) => printer.print(event));
    try {
      await scenario.play(stage);
      await stage.close();
    } catch (error) {
      // What the scenario missed matters more than what closing finds after it.
      await stage.close().catch(() => {});
      printer.failure(error instanceof Error ? error.message : String(error));
      return false;
    }
  }
  printer.summary(Date.now() - started);
  return true;
}
