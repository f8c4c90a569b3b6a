import { X509Certificate } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { CertificateNames } from '../sip/transport/peer-certificate.ts';
import { ListenError } from './listen-error.ts';
import type { Logger } from './logger.ts';
import { NamedContexts, type NamedPair } from './named-contexts.ts';
import type { CertificateFiles } from './tls-settings.ts';
import { foldersOnTheWay } from './watched-folders.ts';

/** PEM texts: the certificate with those it is signed by, and its key; the authorities whose certificates are believed. */
export interface KeyPair {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

/** Names of files, '' for none. */
export interface KeyFiles extends CertificateFiles {
  readonly ca: string;
  /** Of those that are shown to who asks for a name in them. */
  readonly domains: readonly CertificateFiles[];
}

/** All that the files hold. */
interface Credentials {
  readonly pair: KeyPair;
  readonly named: readonly NamedPair[];
  readonly contexts: NamedContexts;
}

/** What takes a new certificate while it serves: an HTTPS or SIP listener. New connections get it, those there are go on. */
export interface CertificateUser {
  setSecureContext(pair: KeyPair): void;
}

/** Both files change one after the other, and tools touch them several times: so long after the last of it they are read, in milliseconds. */
const SETTLING = 300;

/** Certificates and their keys, two files each, and authorities in another, read again when they change and when told to. */
export class TlsCertificate {
  private readonly files: KeyFiles;
  private readonly log: Logger;
  private readonly users = new Set<CertificateUser>();
  private readonly watchers: FSWatcher[] = [];
  private settling: NodeJS.Timeout | undefined;
  private current: Credentials;

  /**
   * Reads the files; throws ListenError when they cannot be read, hold no certificate and key, or these do not belong together.
   * @param wanted what cannot be served without certificate and key; undefined where they may be missing
   */
  constructor(files: KeyFiles, log: Logger, wanted: string | undefined) {
    this.files = files;
    this.log = log;
    try {
      this.current = this.read();
    } catch (error) {
      throw new ListenError(`cannot ${wanted === undefined ? 'use the TLS files' : `serve ${wanted}`}: ${reasonOf(error)}`);
    }
    this.tell('TLS certificate read');
    this.follow();
  }

  get pair(): KeyPair {
    return this.current.pair;
  }

  /** What is shown to who asks for the host name; undefined for `pair`. */
  contextFor(name: string): SecureContext | undefined {
    return this.current.contexts.find(name);
  }

  /** What the certificate names that who asks for the host name, or for none, is shown. */
  shownTo(name: string | undefined): CertificateNames | undefined {
    return this.current.contexts.names(name);
  }

  /** Gives the user every later certificate, until it is removed. */
  add(user: CertificateUser): void {
    this.users.add(user);
  }

  remove(user: CertificateUser): void {
    this.users.delete(user);
  }

  /** Reads the files again. What is not a good certificate with its key is told in the log, and the one in use stays. */
  reload(): void {
    let found: Credentials;
    try {
      found = this.read();
    } catch (error) {
      this.log.error({ ...this.files, reason: reasonOf(error) }, 'the new TLS certificate cannot be used: the old one stays');
      return;
    }
    if (isSame(found, this.current)) return;
    this.current = found;
    for (const user of this.users) user.setSecureContext(found.pair);
    this.tell('TLS certificate replaced');
  }

  close(): void {
    clearTimeout(this.settling);
    for (const watcher of this.watchers.splice(0)) watcher.close();
    this.users.clear();
  }

  private read(): Credentials {
    const pair: { cert?: string; key?: string; ca?: string } = {};
    for (const name of ['cert', 'key', 'ca'] as const) {
      const file = this.files[name];
      if (file !== '') pair[name] = readFileSync(file, 'utf8');
    }
    if (pair.ca !== undefined && !pair.ca.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`no certificate in ${this.files.ca}`);
    createSecureContext(pair);
    const named = this.files.domains.map(({ cert, key }) => ({
      cert: readFileSync(cert, 'utf8'),
      key: readFileSync(key, 'utf8'),
      ca: pair.ca,
    }));
    return { pair, named, contexts: new NamedContexts(pair.cert, named) };
  }

  /**
   * The folders are watched, not the files: certificates are renewed by putting other files, links or whole folders in their place. What
   * is on the way to the files may be another then.
   */
  private follow(): void {
    const before = this.watchers.splice(0);
    const { cert, key, ca, domains } = this.files;
    const files = [cert, key, ca, ...domains.flatMap((pair) => [pair.cert, pair.key])].filter((file) => file !== '');
    for (const folder of new Set(files.flatMap((file) => [...foldersOnTheWay(file)]))) {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.settle());
        watcher.on('error', (error) => this.log.warn({ folder, reason: reasonOf(error) }, NOT_WATCHED));
        this.watchers.push(watcher);
      } catch (error) {
        this.log.warn({ folder, reason: reasonOf(error) }, NOT_WATCHED);
      }
    }
    for (const watcher of before) watcher.close();
  }

  private settle(): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.follow();
      this.reload();
    }, SETTLING).unref();
  }

  private tell(message: string): void {
    const { pair, named } = this.current;
    if (pair.cert === undefined) this.log.info({ file: this.files.ca }, message);
    else this.tellOf(pair.cert, this.files.cert, message);
    for (const [i, { cert }] of named.entries()) this.tellOf(cert, this.files.domains[i]?.cert ?? '', message);
  }

  private tellOf(cert: string, file: string, message: string): void {
    const { subject, subjectAltName, validTo } = new X509Certificate(cert);
    const fields = { file, subject, names: subjectAltName, validTo };
    if (Date.parse(validTo) < Date.now()) this.log.warn(fields, `${message}: it has expired`);
    else this.log.info(fields, message);
  }
}

const NOT_WATCHED = 'TLS certificates are not watched: SIGHUP reads them again';

function isSame(one: Credentials, other: Credentials): boolean {
  const texts = ({ pair, named }: Credentials) => JSON.stringify([pair, named]);
  return texts(one) === texts(other);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
