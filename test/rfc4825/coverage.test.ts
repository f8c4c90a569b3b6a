import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

/** Looks after COVERAGE.md: what it names must be there. */

interface Row {
  readonly line: number;
  readonly sections: readonly string[];
  readonly rule: string;
  readonly proof: string;
}

/** `file` › title, up to the next one or what ends it. */
const NAMED = /`([\w./-]+\.test\.ts)` › (.+?)(?=<br>|$)/g;

const rows: readonly Row[] = readFileSync(join(import.meta.dirname, 'COVERAGE.md'), 'utf8')
  .split('\n')
  .flatMap((text, i) => {
    const [start, sections, rule, proof, end] = text.split(/(?<!\\)\|/).map((cell) => cell.trim());
    if (start !== '' || end !== '' || sections === undefined || sections === 'Section' || /^-+$/.test(sections)) return [];
    return [{ line: i + 1, sections: sections.split(', '), rule: rule ?? '', proof: proof ?? '' }];
  });

const sources = new Map<string, string>();

function titles(file: string): ReadonlySet<string> {
  const path = join(import.meta.dirname, file);
  const source = sources.get(path) ?? readFileSync(path, 'utf8');
  sources.set(path, source);
  // The first argument of test() or of what test.each() gives.
  const found = source.matchAll(/(?:\btest|\bit|\))\(\s*(?:'((?:[^'\\\n]|\\.)+)'|"([^"\n]+)"|`([^`\n]+)`),/g);
  return new Set([...found].map(([, single, double, back]) => (single ?? double ?? back ?? '').replaceAll("\\'", "'")));
}

const named = rows.flatMap(({ line, proof }) => [...proof.matchAll(NAMED)].map(([, file = '', title = '']) => ({ line, file, title })));

describe('COVERAGE.md (RFC 4825 5 to 13)', () => {
  test('names only tests that exist', () => {
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter(({ file, title }) => !titles(file).has(title))).toEqual([]);
  });

  test('has a test or a reason for every rule', () => {
    expect(rows.length).toBeGreaterThan(100);
    const bare = rows.filter(
      ({ line, rule, proof }) => rule === '' || !(/^No test(?: here)?: .{20,}/.test(proof) || named.some((test) => test.line === line)),
    );
    expect(bare).toEqual([]);
  });

  test('goes through all sections in their order', () => {
    const all = rows.flatMap(({ sections }) => sections);
    const subsections: Record<string, number> = { 5: 10, 6: 4, 8: 5, 11: 2 };
    const expected = ['9', '10', '12', '13', '7', '8'];
    for (const [section, count] of Object.entries(subsections)) for (let n = 1; n <= count; n++) expected.push(`${section}.${n}`);
    for (let n = 1; n <= 7; n++) expected.push(`8.2.${n}`);
    expect(expected.filter((section) => section !== '8.2' && !all.includes(section))).toEqual([]);
    const chapters = rows.map(({ sections }) => Number.parseInt(sections[0] ?? '', 10));
    expect(chapters).toEqual(chapters.toSorted((a, b) => a - b));
  });

  test('names every test of sections.test.ts', () => {
    const used = new Set(named.filter(({ file }) => file === 'sections.test.ts').map(({ title }) => title));
    expect([...titles('sections.test.ts')].filter((title) => !used.has(title))).toEqual([]);
  });
});
