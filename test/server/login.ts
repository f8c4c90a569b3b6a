import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { AccountStore } from '../../server/accounts/account-store.ts';
import { Digest } from '../../server/accounts/digest.ts';
import { AccountHttpAuthenticator } from '../../server/accounts/http-authenticator.ts';
import { LoginBrake } from '../../server/accounts/login-brake.ts';
import { Nonces } from '../../server/accounts/nonces.ts';
import { SipAuthenticator } from '../../server/accounts/sip-authenticator.ts';
import type { AuthenticationResult } from '../../sip/core/authenticator.ts';
import type { HttpAuthentication } from '../../xcap/access.ts';

/** Accounts on disk and the authenticators over them, on a clock that tests move. */
export class Login {
  readonly directory = mkdtempSync(join(tmpdir(), 'rollcall-login-'));
  readonly domains = ['example.com', 'example.org'];
  readonly logged: string[] = [];
  now = Date.now();
  accounts = new AccountStore(join(this.directory, 'accounts.db'));
  private parts = this.assemble();

  constructor() {
    this.accounts.add('sip:alice@example.com', 'wonder:land', false);
    this.accounts.add('sip:root@example.com', 'r00t', true);
    this.accounts.add('sip:olga@example.org', 'gr\u00fc\u00df', false);
  }

  /** What a restart of the server does: nothing in memory is left. */
  restart(): void {
    this.accounts.close();
    this.accounts = new AccountStore(join(this.directory, 'accounts.db'));
    this.parts = this.assemble();
  }

  sip(
    credentials: readonly string[],
    change: { method?: string; uri?: string; from?: string; body?: string; peer?: string } = {},
  ): AuthenticationResult {
    return this.parts.sip.authenticate({
      method: change.method ?? 'REGISTER',
      uri: change.uri ?? 'sip:example.com',
      from: change.from ?? 'sip:elsewhere.test',
      credentials,
      body: Buffer.from(change.body ?? ''),
      remoteAddress: change.peer ?? '127.0.0.1',
    });
  }

  http(
    authorization: string | undefined,
    change: { method?: string; target?: string; body?: string; peer?: string } = {},
  ): HttpAuthentication {
    return this.parts.http.authenticate({
      method: change.method ?? 'GET',
      target: change.target ?? '/xcap-root/resource-lists/users/sip:alice@example.com/index',
      authorization,
      body: Buffer.from(change.body ?? ''),
      remoteAddress: change.peer ?? '127.0.0.1',
    });
  }

  /** The challenges of a new nonce: SHA-256, MD5 and, for HTTP, Basic. */
  challenges(protocol: 'sip' | 'http' = 'sip'): [string, string] {
    const result = protocol === 'sip' ? this.sip([]) : this.http(undefined);
    if (result.kind !== 'challenge') throw new Error('no challenge');
    return [result.challenges[0] ?? '', result.challenges[1] ?? ''];
  }

  close(): void {
    this.accounts.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private assemble() {
    const log = pino({ level: 'trace' }, { write: (line: string) => this.logged.push(line) });
    const nonces = new Nonces(() => this.now);
    const brake = new LoginBrake(undefined, () => this.now);
    const digest = new Digest(nonces, (address) => this.accounts.find(address), brake);
    return {
      sip: new SipAuthenticator(digest, this.domains, log),
      http: new AccountHttpAuthenticator(digest, this.accounts, this.domains, brake, log),
    };
  }
}
