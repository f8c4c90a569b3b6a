import type { AccountStore } from './account-store.ts';

/** How long a change of the accounts may go unseen, in milliseconds. */
const INTERVAL = 250;

/** Tells after the accounts have changed, be it by another process. Returns a function that ends it. */
export function followChanges(accounts: AccountStore, changed: () => void): () => void {
  let { generation } = accounts;
  const timer = setInterval(() => {
    const now = accounts.generation;
    if (now === generation) return;
    generation = now;
    changed();
  }, INTERVAL);
  timer.unref();
  return () => clearInterval(timer);
}
