/**
 * Looks after an RFC's COVERAGE.md, a table of | section | rule | proof or reason |: what it names must be there.
 * A proof is `` `file.test.ts` › title ``, several joined by <br>; a reason begins with "No test:" or "No test here:".
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

/** Defines the tests of one table. */
export function describeCoverage({ folder, title, sections: expected, rules, wholly = [] }: Coverage): void {
  const rows: readonly Row[] = readFileSync(join(folder, 'COVERAGE.md'), 'utf8')
    .split('\n')
    .flatMap((text, i) => {
      const [start, sections, rule, proof, end] = text.split(/(?<!\\)\|/).map((cell) => cell.trim());
      if (start !== '' || end !== '' || sections === undefined || sections === 'Section' || /^-+$/.test(sections)) return [];
      return [{ line: i + 1, sections: sections.split(', '), rule: rule ?? '', proof: (proof ?? '').replaceAll('\\|', '|') }];
    });
  const named = rows.flatMap(({ line, proof }) => [...proof.matchAll(NAMED)].map(([, file = '', name = '']) => ({ line, file, name })));

  describe(`COVERAGE.md (${title})`, () => {
    test('names only tests that exist', () => {
      expect(named.length).toBeGreaterThan(0);
      expect(named.filter(({ file, name }) => !titles(join(folder, file)).has(name))).toEqual([]);
    });

    test('has a test or a reason for every rule', () => {
      expect(rows.length).toBeGreaterThanOrEqual(rules);
      const bare = rows.filter(
        ({ line, rule, proof }) =>
          rule === '' || !(/^No test(?: here)?: .{20,}/.test(proof) || named.some((proven) => proven.line === line)),
      );
      expect(bare).toEqual([]);
    });

    test('goes through all sections in their order', () => {
      const all = rows.flatMap(({ sections }) => sections);
      expect(expected.filter((section) => !all.includes(section))).toEqual([]);
      const chapters = rows.map(({ sections }) => Number.parseInt(sections[0] ?? '', 10));
      expect(chapters).toEqual(chapters.toSorted((a, b) => a - b));
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
