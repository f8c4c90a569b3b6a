import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

const PATH = '/etc/hosts';
/** How long the file is taken to be unchanged, in milliseconds. */
const FRESH_MS = 10_000;

let read: Promise<ReadonlyMap<string, readonly string[]>> | undefined;
let readAt = 0;

/** The addresses of a name (lower case) of one family in the system's hosts file, which goes before the DNS. */
export async function readHostsFile(name: string, family: 4 | 6): Promise<readonly string[]> {
  if (read === undefined || performance.now() - readAt > FRESH_MS) {
    readAt = performance.now();
    read = readFile(PATH, 'utf8').then(parse, () => new Map());
  }
  return ((await read).get(name) ?? []).filter((address) => isIP(address) === family);
}

function parse(text: string): ReadonlyMap<string, readonly string[]> {
  const addresses = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (address === undefined || isIP(address) === 0) continue;
    for (const name of names) {
      const known = addresses.get(name.toLowerCase());
      if (known === undefined) addresses.set(name.toLowerCase(), [address]);
      else known.push(address);
    }
  }
  return addresses;
}
