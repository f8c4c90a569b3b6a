/** What a server holds, as its metrics tell. */
import type { TestServer } from '../helpers/server.ts';

export async function heldBy({ http }: TestServer): Promise<Record<string, number>> {
  const text = await (await fetch(`http://${http.address}:${http.port}/metrics`)).text();
  const counts = [...text.matchAll(/^rollcall_sip_held\{kind="(\w+)"\} (\d+)$/gm)].map(([, kind = '', count]) => [kind, Number(count)]);
  return Object.fromEntries(counts);
}

/** The counts once none is greater than wanted, or when that takes longer than so many milliseconds. */
export async function settled(server: TestServer, wanted: Record<string, number>, patience: number): Promise<Record<string, number>> {
  const until = Date.now() + patience;
  for (;;) {
    const now = await heldBy(server);
    if (Date.now() > until || Object.entries(now).every(([kind, count]) => count <= (wanted[kind] ?? 0))) return now;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
