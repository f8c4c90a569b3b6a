import { addressHost } from '../../schemas/address.ts';
import type { UserDirectory } from '../../sip/core/authenticator.ts';
import type { XuiDirectory } from '../../xcap/access.ts';
import { type AccountStore, accountAddress } from './account-store.ts';

/** Who is known here: the accounts in the served domains, or, without authentication, every address in them. */
export class Directory implements UserDirectory, XuiDirectory {
  private readonly domains: readonly string[];
  private readonly accounts: AccountStore | undefined;

  /**
   * @param domains the served domains, the default one first
   * @param accounts undefined when authentication is off
   */
  constructor(domains: readonly string[], accounts: AccountStore | undefined) {
    this.domains = domains;
    this.accounts = accounts;
  }

  servesDomain(host: string): boolean {
    return this.domains.includes(host);
  }

  hasUser(address: string): boolean {
    const host = addressHost(address);
    if (host === undefined || !this.domains.includes(host)) return false;
    return this.accounts ? this.accounts.find(address) !== undefined : address.length > host.length + 'sip:@'.length;
  }

  resolveXui(xui: string): string | undefined {
    // A telephone number is in no domain of its own.
    const domains = /^tel:/i.test(xui) ? this.domains : this.domains.slice(0, 1);
    for (const domain of domains) {
      const address = accountAddress(xui, domain);
      if (address !== undefined && this.hasUser(address)) return address;
    }
    return undefined;
  }
}
