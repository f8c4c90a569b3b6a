import { resolve } from 'node:path';
import { type Setting, show, text } from './setting-values.ts';

/** A certificate chain and its key: absolute paths of PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** What an admin sets about certificates. */
export interface TlsConfig {
  /** Absolute paths of PEM files with the certificate chain and the key of this server, and with those it trusts; '' without. */
  readonly tlsCertificate: string;
  readonly tlsKey: string;
  readonly tlsAuthorities: string;
  /** Further ones, for those who ask for a name that they have. */
  readonly tlsDomains: readonly CertificateFiles[];
}

const file = (value: unknown): string => resolve(text(value, 'a file'));

export const TLS_KEYS: readonly Setting<keyof TlsConfig>[] = [
  {
    name: 'tls-cert',
    field: 'tlsCertificate',
    placeholder: 'FILE',
    list: false,
    default: '',
    meaning: 'PEM file with the certificate (and those it is signed by) for https, tls and wss; read again when it changes and on SIGHUP',
    read: file,
  },
  {
    name: 'tls-key',
    field: 'tlsKey',
    placeholder: 'FILE',
    list: false,
    default: '',
    meaning: 'PEM file with the key of the certificate',
    read: file,
  },
  {
    name: 'tls-domain-cert',
    field: 'tlsDomains',
    placeholder: 'CERT=KEY',
    list: true,
    default: '',
    meaning:
      'PEM files with a further certificate and its key, shown instead of that of tls-cert to whoever asks by TLS for a name that is in it, and to other servers for the users of a domain that is in it; in the YAML file, a mapping with cert and key, too',
    read: readCertificateFiles,
  },
  {
    name: 'tls-ca',
    field: 'tlsAuthorities',
    placeholder: 'FILE',
    list: false,
    default: '',
    meaning:
      'PEM file with the authorities that sign the certificates of other SIP servers, instead of those of the web; with it whoever connects by tls is asked for a certificate',
    read: file,
  },
];

/** `CERT=KEY`, or a mapping with `cert` and `key`. Throws an Error that says what is expected. */
function readCertificateFiles(value: unknown): CertificateFiles {
  const isObject = typeof value === 'object' && value !== null && 'cert' in value && 'key' in value;
  const [, cert, key] = isObject ? ['', value.cert, value.key] : (/^([^=]+)=([^=]+)$/.exec(String(value)) ?? []);
  if (typeof cert !== 'string' || typeof key !== 'string' || cert === '' || key === '') {
    throw new Error(`${show(value)} is not CERT=KEY (such as example.org.pem=example.org.key)`);
  }
  return Object.freeze({ cert: resolve(cert), key: resolve(key) });
}
