import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addressHost } from '../schemas/address.ts';
import { AccountStore, accountAddress } from './accounts/account-store.ts';
import { ConfigError, loadConfig } from './config.ts';
import { makeDataDirectory } from './storage/data-directory.ts';
import { StorageError } from './storage/sqlite/database.ts';
import type { Surroundings } from './surroundings.ts';

export interface UserFlags {
  readonly data?: string;
  readonly config?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly admin?: boolean;
}

/** `user add`: throws AccountError when the account exists. */
export async function addUser(name: string, flags: UserFlags, surroundings: Surroundings): Promise<void> {
  const password = await choosePassword(flags, surroundings);
  withAccounts(flags, surroundings, true, (accounts, domains) => {
    const address = readAddress(name, domains);
    accounts.add(address, password, flags.admin === true);
    surroundings.out(`added ${address}${flags.admin === true ? ' (admin)' : ''}`);
    showMadePassword(password, flags, surroundings);
    const host = addressHost(address) ?? '';
    if (!domains.includes(host)) surroundings.err(`rollcall: note: ${host} is not among the served domains (${domains.join(', ')})`);
  });
}

/** `user passwd`: throws AccountError when there is no such account. */
export async function changePassword(name: string, flags: UserFlags, surroundings: Surroundings): Promise<void> {
  const password = await choosePassword(flags, surroundings);
  withAccounts(flags, surroundings, false, (accounts, domains) => {
    const address = readAddress(name, domains);
    accounts.setPassword(address, password);
    surroundings.out(`changed the password of ${address}`);
    showMadePassword(password, flags, surroundings);
  });
}

/** `user list`: one line each, address first. */
export function listUsers(flags: UserFlags, surroundings: Surroundings): void {
  withAccounts(flags, surroundings, false, (accounts) => {
    for (const { address, admin } of accounts.list()) surroundings.out(admin ? `${address} admin` : address);
  });
}

/** `user remove`: throws AccountError when there is no such account. */
export function removeUser(name: string, flags: UserFlags, surroundings: Surroundings): void {
  withAccounts(flags, surroundings, false, (accounts, domains) => {
    const address = readAddress(name, domains);
    accounts.remove(address);
    surroundings.out(`removed ${address}`);
  });
}

/** Opens the accounts of the data directory, with the domains that its server serves, or would serve with these settings. */
function withAccounts(
  { data, config: file }: UserFlags,
  { environment }: Surroundings,
  create: boolean,
  work: (accounts: AccountStore, domains: readonly string[]) => void,
): void {
  const config = loadConfig({ flags: { data, config: file }, environment });
  const { dataDirectory } = config;
  if (create) makeDataDirectory(dataDirectory);
  else if (!existsSync(dataDirectory)) throw new StorageError(`there is no data directory ${dataDirectory}`);
  const accounts = new AccountStore(join(dataDirectory, 'accounts.db'));
  try {
    const recorded = accounts.domains;
    work(accounts, recorded.length > 0 ? recorded : config.domains);
  } finally {
    accounts.close();
  }
}

function readAddress(name: string, domains: readonly string[]): string {
  const address = accountAddress(name, domains[0] ?? 'localhost');
  if (address === undefined) throw new ConfigError(`"${name}" is not an address such as alice@example.com`);
  return address;
}

async function choosePassword({ password, passwordStdin }: UserFlags, { stdin }: Surroundings): Promise<string> {
  if (password !== undefined) return password;
  if (passwordStdin !== true) return randomBytes(12).toString('base64url');
  // Else a letter that two chunks share would be broken.
  stdin.setEncoding('utf8');
  let text = '';
  for await (const chunk of stdin) {
    text += chunk;
    if (text.length > 4096) throw new ConfigError('the password on standard input is too long');
  }
  return text.replace(/\r?\n.*$/s, '');
}

function showMadePassword(password: string, flags: UserFlags, { out }: Surroundings): void {
  if (flags.password === undefined && flags.passwordStdin !== true) out(`password ${password}`);
}
