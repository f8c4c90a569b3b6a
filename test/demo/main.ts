import { SCENARIOS } from '../scenarios/all.ts';
import { playScenarios } from './play-scenarios.ts';
import { SequencePrinter } from './sequence-printer.ts';

/**
 * Plays scenarios with real messages on real sockets: those whose numbers are given, else the life of a buddy list, 3 to 14. Exit status 0
 * only if every expectation held.
 */
const wanted = process.argv.slice(2).map(Number);
const printer = new SequencePrinter((line) => process.stdout.write(`${line}\n`), process.stdout.isTTY === true);
const played = SCENARIOS.filter(({ number }) => (wanted.length > 0 ? wanted.includes(number) : number >= 3 && number <= 14));
const unknown = wanted.filter((number) => !played.some((scenario) => scenario.number === number));
if (unknown.length > 0)
  process.stderr.write(`no scenario ${process.argv.slice(2).join(', ')}; there are ${SCENARIOS.map(({ number }) => number).join(', ')}\n`);
process.exitCode = unknown.length === 0 && (await playScenarios(played, printer)) ? 0 : 1;
