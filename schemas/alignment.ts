/** Which items of two sequences are the same: pairs of indexes, rising in both. */
export type Alignment = readonly (readonly [before: number, after: number])[];

/** Comparisons that the exact way may take; beyond, a single pass finds what it can. */
const MOST_CELLS = 40_000;

/** Comparisons that several alignments may take together. */
export interface Comparisons {
  left: number;
}

/**
 * Aligns two sequences of keys: a longest common subsequence where the part that differs is small and `comparisons` are left, a common
 * subsequence otherwise.
 */
export function align(before: readonly string[], after: readonly string[], comparisons: Comparisons = { left: MOST_CELLS }): Alignment {
  return alignNumbers(...numbered(before, after), comparisons);
}

/** Each key as a number, so that none is compared more than once. */
function numbered(...sequences: [readonly string[], readonly string[]]): [number[], number[]] {
  const numbers = new Map<string, number>();
  const toNumber = (key: string): number => {
    let number = numbers.get(key);
    if (number === undefined) numbers.set(key, (number = numbers.size));
    return number;
  };
  return [sequences[0].map(toNumber), sequences[1].map(toNumber)];
}

function alignNumbers(before: readonly number[], after: readonly number[], comparisons: Comparisons): Alignment {
  const pairs: [number, number][] = [];
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) {
    pairs.push([start, start]);
    start++;
  }
  let tail = 0;
  while (tail < shorter - start && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const rows = before.length - tail - start;
  const columns = after.length - tail - start;
  if (rows > 0 && columns > 0) {
    const cells = rows * columns;
    const isExact = cells <= Math.min(MOST_CELLS, comparisons.left);
    if (isExact) comparisons.left -= cells;
    pairs.push(...(isExact ? longest : onePass)(before, after, start, rows, columns));
  }
  for (let i = tail; i > 0; i--) pairs.push([before.length - i, after.length - i]);
  return pairs;
}

function longest(before: readonly number[], after: readonly number[], start: number, rows: number, columns: number): [number, number][] {
  const width = columns + 1;
  /** Length of the longest common subsequence of what follows. */
  const lengths = new Uint32Array((rows + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const same = before[start + i] === after[start + j];
      lengths[i * width + j] = same ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    if (before[start + i] === after[start + j]) pairs.push([start + i++, start + j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}

/** Takes items in order, each with the nearest of its like that is left; an item that would skip far ahead is passed over. */
function onePass(before: readonly number[], after: readonly number[], start: number, rows: number, columns: number): [number, number][] {
  const places = new Map<number, number[]>();
  for (let j = columns - 1; j >= 0; j--) {
    const key = after[start + j] ?? -1;
    const list = places.get(key);
    if (list) list.push(start + j);
    else places.set(key, [start + j]);
  }
  const reach = Math.max(16, Math.abs(rows - columns) * 2);
  const pairs: [number, number][] = [];
  let next = start;
  for (let i = start; i < start + rows; i++) {
    const list = places.get(before[i] ?? -1);
    if (!list) continue;
    while ((list.at(-1) ?? next) < next) list.pop();
    const j = list.at(-1);
    if (j === undefined || j - next > reach) continue;
    list.pop();
    pairs.push([i, j]);
    next = j + 1;
  }
  return pairs;
}
