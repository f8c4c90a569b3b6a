import { X509Certificate } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ListenError } from './listen-error.ts';
import type { Logger } from './logger.ts';
import { foldersOnTheWay } from './watched-folders.ts';

/** PEM texts: the certificate with those it is signed by, and its key; the authorities whose certificates are believed. */
export interface KeyPair {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

/** Names of files, '' for none. */
export interface KeyFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** What takes a new certificate while it serves: an HTTPS or SIP listener. New connections get it, those there are go on. */
export interface CertificateUser {
  setSecureContext(pair: KeyPair): void;
}

/** Both files change one after the other, and tools touch them several times: so long after the last of it they are read, in milliseconds. */
const SETTLING = 300;

/** A certificate and its key in two files, and authorities in a third, read again when they change and when told to. */
export class TlsCertificate {
  private readonly files: KeyFiles;
  private readonly log: Logger;
  private readonly users = new Set<CertificateUser>();
  private readonly watchers: FSWatcher[] = [];
  private settling: NodeJS.Timeout | undefined;
  private current: KeyPair;

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
    return this.current;
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
    let pair: KeyPair;
    try {
      pair = this.read();
    } catch (error) {
      this.log.error({ ...this.files, reason: reasonOf(error) }, 'the new TLS certificate cannot be used: the old one stays');
      return;
    }
    if (pair.cert === this.current.cert && pair.key === this.current.key && pair.ca === this.current.ca) return;
    this.current = pair;
    for (const user of this.users) user.setSecureContext(pair);
    this.tell('TLS certificate replaced');
  }

  close(): void {
    clearTimeout(this.settling);
    for (const watcher of this.watchers.splice(0)) watcher.close();
    this.users.clear();
  }

  private read(): KeyPair {
    const pair: { cert?: string; key?: string; ca?: string } = {};
    for (const name of ['cert', 'key', 'ca'] as const) {
      const file = this.files[name];
      if (file !== '') pair[name] = readFileSync(file, 'utf8');
    }
    if (pair.ca !== undefined && !pair.ca.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`no certificate in ${this.files.ca}`);
    createSecureContext(pair);
    return pair;
  }

  /**
   * The folders are watched, not the files: certificates are renewed by putting other files, links or whole folders in their place. What
   * is on the way to the files may be another then.
   */
  private follow(): void {
    const before = this.watchers.splice(0);
    for (const folder of new Set(Object.values(this.files).flatMap((file: string) => (file === '' ? [] : [...foldersOnTheWay(file)])))) {
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
    if (this.current.cert === undefined) {
      this.log.info({ file: this.files.ca }, message);
      return;
    }
    const { subject, validTo } = new X509Certificate(this.current.cert);
    const fields = { file: this.files.cert, subject, validTo };
    if (Date.parse(validTo) < Date.now()) this.log.warn(fields, `${message}: it has expired`);
    else this.log.info(fields, message);
  }
}

const NOT_WATCHED = 'TLS certificates are not watched: SIGHUP reads them again';

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
