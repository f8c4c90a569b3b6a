import { SCENARIOS } from '../scenarios/all.ts';
import { playScenarios } from './play-scenarios.ts';
import { SequencePrinter } from './sequence-printer.ts';

/** Plays scenarios 3 to 14 with real messages on real sockets. Exit status 0 only if every expectation held. */
const printer = new SequencePrinter((line) => process.stdout.write(`${line}\n`), process.stdout.isTTY === true);
const played = SCENARIOS.filter(({ number }) => number >= 3 && number <= 14);
process.exitCode = (await playScenarios(played, printer)) ? 0 : 1;
