import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate authority of a test's own, and the files of what it signs. */
export interface Authority {
  readonly folder: string;
  /** File and text of its certificate. */
  readonly file: string;
  readonly pem: string;
  /**
   * Signs a certificate for a new key.
   * @param alternatives as openssl has them (`DNS:example.com`, `URI:sip:example.com`, `IP:127.0.0.1`); none: no such extension
   */
  issue(commonName: string, alternatives: readonly string[], usage?: string): IssuedCertificate;
  remove(): void;
}

export interface IssuedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes an authority; `remove` deletes all its files. */
export function createAuthority(name: string): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-ca-'));
  const path = (file: string): string => join(folder, file);
  const openssl = (...words: string[]): void => void execFileSync('openssl', words, { stdio: 'pipe' });
  openssl('req', '-x509', ...NEW_KEY, '-days', '30', '-subj', `/CN=${name}`, '-keyout', path('ca.key'), '-out', path('ca.pem'));
  let issued = 0;
  return {
    folder,
    file: path('ca.pem'),
    pem: readFileSync(path('ca.pem'), 'utf8'),
    issue(commonName, alternatives, usage) {
      const base = path(String(++issued));
      const [keyFile, certFile] = [`${base}.key`, `${base}.pem`];
      openssl('req', '-new', ...NEW_KEY, '-subj', `/CN=${commonName}`, '-keyout', keyFile, '-out', `${base}.csr`);
      const lines = ['basicConstraints=CA:FALSE'];
      if (alternatives.length > 0) lines.push(`subjectAltName=${alternatives.join(',')}`);
      if (usage !== undefined) lines.push(`extendedKeyUsage=${usage}`);
      writeFileSync(`${base}.ext`, `${lines.join('\n')}\n`);
      const signer = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-set_serial', String(Date.now() * 1000 + issued)];
      openssl('x509', '-req', '-in', `${base}.csr`, ...signer, '-days', '30', '-extfile', `${base}.ext`, '-out', certFile);
      return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
