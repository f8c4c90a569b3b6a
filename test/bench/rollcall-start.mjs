#!/usr/bin/env node
// rollcall-start.mjs PORT DATA - starts a server for the load generator: SIP on PORT, XCAP on PORT+1, users u000000 to u001999 of bench.test.
// AUTH=digest asks for credentials on every request. Returns when the server answers, having written DATA/target.json.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [port, data] = [Number(process.argv[2]), process.argv[3]];
const dist = join(dirname(fileURLToPath(import.meta.url)), '../../dist');
const { AccountStore } = await import(join(dist, 'server/accounts/account-store.js'));
const users = 2000;

rmSync(data, { recursive: true, force: true });
mkdirSync(data, { recursive: true });
const accounts = new AccountStore(join(data, 'accounts.db'));
for (let i = 0; i < users; i++) {
  const user = `u${String(i).padStart(6, '0')}`;
  accounts.add(`sip:${user}@bench.test`, `pw-${user}`, false);
}
accounts.close();

const log = openSync(join(data, 'server.log'), 'w');
const node = (process.env.NODE_FLAGS ?? '').split(' ').filter(Boolean);
const settings = [
  '--domain',
  'bench.test',
  '--sip',
  `127.0.0.1:${port}`,
  '--http',
  `127.0.0.1:${port + 1}`,
  '--data',
  data,
  '--log',
  'error',
  // All load comes from one address.
  '--max-subscriptions-per-address',
  '500000',
];
const child = spawn(process.execPath, [...node, join(dist, 'server/main.js'), 'serve', ...settings, '--auth', process.env.AUTH ?? 'none'], {
  detached: true,
  stdio: ['ignore', log, log],
  cwd: data,
});
child.unref();
writeFileSync(join(data, 'pids'), String(child.pid));
// It answers long before: what it does to be fast from then on is no part of what requests cost.
for (let tries = 0; !/^warm$/m.test(readFileSync(join(data, 'server.log'), 'utf8')); tries++) {
  if (tries === 900) {
    console.error('the server is not warm after 90 s');
    child.kill();
    process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const target = {
  name: 'rollcall',
  pids: [child.pid],
  sip: `127.0.0.1:${port}`,
  xcap: `http://127.0.0.1:${port + 1}/xcap-root`,
  domain: 'bench.test',
  users,
  xui: 'sip:{user}@{domain}',
};
writeFileSync(join(data, 'target.json'), JSON.stringify(target));
process.exit(0);
