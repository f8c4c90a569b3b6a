/**
 * Looks after an RFC's COVERAGE.md, a table of | section | rule | proof or reason |: what it names must be there.
 * A proof is `` `file.test.ts` › title ``, several joined by <br>; a reason begins with "No test:" or "No test here:".
 *
 * A section may be told with the ordinal of a sentence in it that has one of RFC 2119's key words in capitals: `4.2.1:3`, or `4.2.1:3-5`. How
 * many there are in each section stands before the table as "Sentences with key words: 4.2.1 (5), 4.2.2 (9)."; then each of them must be in
 * a row.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

export interface Coverage {
  /** Where COVERAGE.md stands; files are named from there. */
  readonly folder: string;
  /** What of the RFC the table goes through, for the test's title. */
  readonly title: string;
  /** Sections that must each have a row. */
  readonly sections: readonly string[];
  /** Rows there must be at least, so that a table that is not read does not pass. */
  readonly rules: number;
  /** Files whose every test must be named in the table. */
  readonly wholly?: readonly string[];
}

interface Row {
  readonly line: number;
  readonly sections: readonly string[];
  /** `4.2.1:3` each. */
  readonly sentences: readonly string[];
  readonly rule: string;
  readonly proof: string;
}

/** `file` › title, up to the next one or what ends it. */
const NAMED = /`([\w./-]+\.test\.ts)` › (.+?)(?=<br>|$)/g;

const read = new Map<string, ReadonlySet<string>>();

/** Sections from `1` on: `{5: 3}` is 5.1, 5.2, 5.3. */
export function subsections(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts).flatMap(([section, count]) => Array.from({ length: count }, (_, n) => `${section}.${n + 1}`));
}

/** `4.2.1:3` of `4.2.1:2-4`; none of a section alone. */
function sentencesOf(reference: string): string[] {
  const [, section, first, last] = /^([\d.]+):(\d+)(?:-(\d+))?$/.exec(reference) ?? [];
  if (section === undefined) return [];
  const [from, to] = [Number(first), Number(last ?? first)];
  return Array.from({ length: to - from + 1 }, (_, n) => `${section}:${from + n}`);
}

/** Those that the table says there are; undefined where it does not say. */
function countedSentences(text: string): string[] | undefined {
  const [, counts] = /^Sentences with key words: (.+)\.$/m.exec(text) ?? [];
  return counts?.split(', ').flatMap((count) => {
    const [, section, most] = /^([\d.]+) \((\d+)\)$/.exec(count) ?? [];
    if (section === undefined) throw new Error(`not a count of sentences: ${count}`);
    return sentencesOf(`${section}:1-${most}`);
  });
}

/** Defines the tests of one table. */
export function describeCoverage({ folder, title, sections: expected, rules, wholly = [] }: Coverage): void {
  const table = readFileSync(join(folder, 'COVERAGE.md'), 'utf8');
  const counted = countedSentences(table);
  const rows: readonly Row[] = table.split('\n').flatMap((text, i) => {
    const [start, references, rule, proof, end] = text.split(/(?<!\\)\|/).map((cell) => cell.trim());
    if (start !== '' || end !== '' || references === undefined || references === 'Section' || /^-+$/.test(references)) return [];
    const all = references.split(', ');
    const sections = all.map((reference) => reference.replace(/:.*/, ''));
    const sentences = all.flatMap(sentencesOf);
    return [{ line: i + 1, sections, sentences, rule: rule ?? '', proof: (proof ?? '').replaceAll('\\|', '|') }];
  });
  const named = rows.flatMap(({ line, proof }) => [...proof.matchAll(NAMED)].map(([, file = '', name = '']) => ({ line, file, name })));

  describe(`COVERAGE.md (${title})`, () => {
    test('names only tests that exist', () => {
      expect(named.length).toBeGreaterThan(0);
      expect(named.filter(({ file, name }) => !titles(join(folder, file)).has(name))).toEqual([]);
    });

    test('has a test or a reason for every rule', () => {
      expect(rows.length).toBeGreaterThanOrEqual(rules);
      const isTold = (part: string): boolean => /^No test(?: here)?: .{20,}/.test(part) || new RegExp(`^${NAMED.source}`).test(part);
      const bare = rows.filter(({ rule, proof }) => rule === '' || !proof.split('<br>').every(isTold));
      expect(bare).toEqual([]);
    });

    test('goes through all sections in their order', () => {
      const all = rows.flatMap(({ sections }) => sections);
      expect(expected.filter((section) => !all.includes(section))).toEqual([]);
      const chapters = rows.map(({ sections }) => Number.parseInt(sections[0] ?? '', 10));
      expect(chapters).toEqual(chapters.toSorted((a, b) => a - b));
    });

    test.runIf(counted)('has every sentence with a key word, and no more than there are', () => {
      const told = rows.flatMap(({ sentences }) => sentences);
      expect(counted?.filter((sentence) => !told.includes(sentence))).toEqual([]);
      expect(told.filter((sentence) => !counted?.includes(sentence))).toEqual([]);
    });

    test.each(wholly)('names every test of %s', (file) => {
      const used = new Set(named.filter((proof) => proof.file === file).map(({ name }) => name));
      expect([...titles(join(folder, file))].filter((name) => !used.has(name))).toEqual([]);
    });
  });
}

/** The first arguments of test() or of what test.each() gives. */
function titles(path: string): ReadonlySet<string> {
  let known = read.get(path);
  if (!known) {
    const found = readFileSync(path, 'utf8').matchAll(/(?:\btest|\bit|\))\(\s*(?:'((?:[^'\\\n]|\\.)+)'|"([^"\n]+)"|`([^`\n]+)`),/g);
    known = new Set([...found].map(([, single, double, back]) => (single ?? double ?? back ?? '').replaceAll("\\'", "'")));
    read.set(path, known);
  }
  return known;
}
