import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import { GenerationCache } from '../../schemas/generation-cache.ts';
import { type Database, openDatabase } from '../storage/sqlite/database.ts';
import { type Credential, makeCredentials } from './ha1.ts';

/** What was asked for an account cannot be done; the message is one line for an admin. */
export class AccountError extends Error {
  override readonly name = 'AccountError';
}

export interface Account {
  /** Canonical: `sip:alice@example.com`. */
  readonly address: string;
  /** The digest realm: the domain of the address. */
  readonly realm: string;
  readonly admin: boolean;
  /** When its password was set, in milliseconds since 1970. */
  readonly changed: number;
  readonly credentials: readonly Credential[];
}

const MIGRATIONS = [
  `CREATE TABLE accounts (
     address TEXT PRIMARY KEY, realm TEXT NOT NULL, admin INTEGER NOT NULL, changed INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE credentials (
     address TEXT NOT NULL REFERENCES accounts (address) ON DELETE CASCADE,
     username TEXT NOT NULL, sha256 TEXT NOT NULL, md5 TEXT NOT NULL,
     PRIMARY KEY (address, username)
   ) WITHOUT ROWID;
   CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;`,
];

/** Accounts held in memory, and addresses known to have none. */
const CACHED_ACCOUNTS = 100_000;
/** How long a change made by another process may go unseen, in milliseconds. */
const CHANGE_CHECK = 20;

/**
 * The accounts in one SQLite file, which the command line changes beside a running server. What was looked up stays in memory until
 * any process has changed the file.
 */
export class AccountStore {
  private readonly database: Database;
  private readonly statements: Statements;
  private readonly cache = new GenerationCache<Account | 'none'>(CACHED_ACCOUNTS);
  private version: number | undefined;
  private checked = 0;
  private ownChanges = 0;

  /** Opens (or makes) the database; throws StorageError when that cannot be done. */
  constructor(file: string) {
    this.database = openDatabase({ file, synchronous: 'FULL', migrations: MIGRATIONS, busyTimeout: 5000 });
    this.database.pragma('foreign_keys = ON');
    this.statements = prepare(this.database);
    this.version = this.statements.version.get();
  }

  /** The account of a canonical address; from memory when it was asked for before. */
  find(address: string): Account | undefined {
    const now = Date.now();
    if (now - this.checked >= CHANGE_CHECK || now < this.checked) this.noticeChanges(now);
    let account = this.cache.get(address);
    if (account === undefined) {
      account = this.read(address) ?? 'none';
      this.cache.set(address, account);
    }
    return account === 'none' ? undefined : account;
  }

  /** All accounts, ordered by address. */
  list(): Pick<Account, 'address' | 'admin'>[] {
    return this.statements.list.all().map(({ address, admin }) => ({ address, admin: admin !== 0 }));
  }

  isEmpty(): boolean {
    return this.statements.any.get() === undefined;
  }

  /** Makes an account; throws AccountError when there is one of that address. */
  add(address: string, password: string, admin: boolean): void {
    const credentials = makeCredentials(address, checkPassword(password));
    this.change(() => {
      const { changes } = this.statements.add.run(address, addressHost(address) ?? '', admin ? 1 : 0, Date.now());
      if (changes === 0) throw new AccountError(`${address} exists already`);
      this.putCredentials(address, credentials);
    });
  }

  /** Gives an account another password; throws AccountError when there is no such account. */
  setPassword(address: string, password: string): void {
    const credentials = makeCredentials(address, checkPassword(password));
    this.change(() => {
      if (this.statements.touch.run(Date.now(), address).changes === 0) throw new AccountError(`there is no account ${address}`);
      this.putCredentials(address, credentials);
    });
  }

  /** Removes an account (its documents stay); throws AccountError when there is no such account. */
  remove(address: string): void {
    this.change(() => {
      if (this.statements.remove.run(address).changes === 0) throw new AccountError(`there is no account ${address}`);
    });
  }

  /** The domains that the server on this data serves, the default one first; none before it ran first. */
  get domains(): string[] {
    return (this.statements.setting.get('domains')?.toString('utf8') ?? '').split(' ').filter((domain) => domain !== '');
  }

  /** Tells the command line, which knows only the data directory, in what domain a bare name is. */
  set domains(domains: readonly string[]) {
    this.statements.setSetting.run('domains', Buffer.from(domains.join(' '), 'utf8'));
  }

  close(): void {
    this.database.close();
  }

  /** Another text once any account has been changed, by this process or another one. */
  get generation(): string {
    return `${this.statements.version.get()} ${this.ownChanges}`;
  }

  private change(work: () => void): void {
    this.database.transaction(work).immediate();
    this.ownChanges++;
    this.cache.clear();
  }

  private putCredentials(address: string, credentials: readonly Credential[]): void {
    for (const { username, ha1 } of credentials) this.statements.putCredential.run(address, username, ha1['SHA-256'], ha1.MD5);
  }

  /** `data_version` is another number once another process has committed. */
  private noticeChanges(now: number): void {
    this.checked = now;
    const version = this.statements.version.get();
    if (version === this.version) return;
    this.version = version;
    this.cache.clear();
  }

  private read(address: string): Account | undefined {
    const row = this.statements.account.get(address);
    if (!row) return undefined;
    const credentials = this.statements.credentials
      .all(address)
      .map(({ username, sha256, md5 }) => ({ username, ha1: { 'SHA-256': sha256, MD5: md5 } }));
    return { address, realm: row.realm, admin: row.admin !== 0, changed: row.changed, credentials };
  }
}

/** RFC 3261 25.1: unreserved, user-unreserved and escapes; a host name or an IP address. */
const ACCOUNT_ADDRESS =
  /^sip:(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-F]{2})+@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$/;

/**
 * The canonical address that an admin or a client means by `sip:alice@example.com`, `alice@example.com` or, in the default domain,
 * `alice`; undefined when that is no address an account can have. A telephone number is the user of that name (RFC 3261 19.1.6).
 */
export function accountAddress(text: string, defaultDomain: string): string | undefined {
  if (text.length > 255) return undefined;
  if (/^tel:/i.test(text)) return telephoneAddress(text, defaultDomain);
  const colon = text.indexOf(':');
  const at = text.indexOf('@');
  const address = at < 0 && colon < 0 ? `sip:${text}@${defaultDomain}` : at >= 0 && (colon < 0 || at < colon) ? `sip:${text}` : text;
  const canonical = canonicalAddress(address);
  return ACCOUNT_ADDRESS.test(canonical) ? canonical : undefined;
}

function telephoneAddress(uri: string, domain: string): string | undefined {
  const number = canonicalAddress(uri).slice('tel:'.length);
  if (!/^(?:\+[0-9]+|[0-9a-f*#]+)$/.test(number)) return undefined;
  // RFC 3966 5.1.5: a local number means something only in its context.
  const context = /;phone-context=([^;]*)/i.exec(uri)?.[1]?.toLowerCase();
  if (!number.startsWith('+') && context !== undefined && context !== domain) return undefined;
  const address = `sip:${number.replaceAll('#', '%23')}@${domain}`;
  return ACCOUNT_ADDRESS.test(address) ? address : undefined;
}

function checkPassword(password: string): string {
  if (password === '') throw new AccountError('the password is empty');
  return password;
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: Database) {
  return {
    version: database.prepare<[], number>('PRAGMA data_version').pluck(),
    account: database.prepare<[string], { realm: string; admin: number; changed: number }>(
      'SELECT realm, admin, changed FROM accounts WHERE address = ?',
    ),
    credentials: database.prepare<[string], { username: string; sha256: string; md5: string }>(
      'SELECT username, sha256, md5 FROM credentials WHERE address = ?',
    ),
    list: database.prepare<[], { address: string; admin: number }>('SELECT address, admin FROM accounts ORDER BY address'),
    any: database.prepare<[], number>('SELECT 1 FROM accounts LIMIT 1').pluck(),
    add: database.prepare<[string, string, number, number]>(
      'INSERT INTO accounts (address, realm, admin, changed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    touch: database.prepare<[number, string]>('UPDATE accounts SET changed = ? WHERE address = ?'),
    remove: database.prepare<[string]>('DELETE FROM accounts WHERE address = ?'),
    putCredential: database.prepare<[string, string, string, string]>(
      'INSERT INTO credentials (address, username, sha256, md5) VALUES (?, ?, ?, ?) ' +
        'ON CONFLICT DO UPDATE SET sha256 = excluded.sha256, md5 = excluded.md5',
    ),
    setting: database.prepare<[string], Buffer>('SELECT value FROM settings WHERE name = ?').pluck(),
    setSetting: database.prepare<[string, Buffer]>(
      'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    ),
  };
}
