import { describe, test } from 'vitest';
import { SCENARIOS } from './all.ts';
import { Stage } from './stage.ts';

describe('acceptance scenarios', () => {
  for (const { number, title, play } of SCENARIOS) {
    test(`Scenario ${number}: ${title}`, async () => {
      const stage = new Stage();
      try {
        await play(stage);
      } catch (error) {
        // What the scenario missed matters more than what closing finds after it.
        await stage.close().catch(() => {});
        throw error;
      }
      await stage.close();
    });
  }
});
