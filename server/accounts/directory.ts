import { addressHost } from '../../schemas/address.ts';
import { GenerationCache } from '../../schemas/generation-cache.ts';
import type { UserDirectory } from '../../sip/core/authenticator.ts';
import type { XuiDirectory } from '../../xcap/access.ts';
import { type AccountStore, accountAddress } from './account-store.ts';

/** XUIs whose addresses are remembered. */
const NAMED = 20_000;

/** Who is known here: the accounts in the served domains, or, without authentication, every address in them. */
export class Directory implements UserDirectory, XuiDirectory {
  private readonly domains: readonly string[];
  private readonly accounts: AccountStore | undefined;
  private readonly named = new GenerationCache<readonly string[]>(NAMED);

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

  isAdmin(address: string): boolean {
    return this.accounts ? this.accounts.find(address)?.admin === true : true;
  }

  passwordChangedAt(address: string): number | undefined {
    return this.accounts?.find(address)?.changed;
  }

  resolveXui(xui: string): string | undefined {
    let addresses = this.named.get(xui);
    if (!addresses) {
      addresses = this.addressesOf(xui);
      // What is cut from a request would keep the whole of it in memory.
      this.named.set(Buffer.from(xui, 'utf8').toString('utf8'), addresses);
    }
    for (const address of addresses) if (this.hasUser(address)) return address;
    return undefined;
  }

  /** The addresses that an XUI can mean; more than one only for a telephone number, which is in no domain of its own. */
  private addressesOf(xui: string): readonly string[] {
    const domains = /^tel:/i.test(xui) ? this.domains : [this.domains[0] ?? 'localhost'];
    return domains.map((domain) => accountAddress(xui, domain)).filter((address) => address !== undefined);
  }
}
