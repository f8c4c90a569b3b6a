import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type CertificateNames, hostNames } from '../sip/transport/peer-certificate.ts';
import { MIN_VERSION } from '../sip/transport/tls.ts';

/** PEM texts of a certificate, its key, and the authorities whose certificates are believed. */
export interface NamedPair {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

/** Which certificate is shown to whom, by the name that is asked for (RFC 6066 3). */
export class NamedContexts {
  private readonly ordinary: Shown | undefined;
  /** Undefined for names that the ordinary one has. */
  private readonly byName = new Map<string, Shown | undefined>();

  /**
   * @param ordinary PEM text of what is shown unless another is asked for; what it names is not looked for in the others
   * @param pairs of two with the same name, the first counts
   * @throws Error for a certificate that is none, names nothing, or does not belong to its key
   */
  constructor(ordinary: string | undefined, pairs: readonly NamedPair[]) {
    this.ordinary = ordinary === undefined ? undefined : { names: namesIn(ordinary), context: undefined };
    if (this.ordinary !== undefined) for (const name of hostNames(this.ordinary.names)) this.byName.set(name, undefined);
    for (const pair of pairs) {
      const shown = { names: namesIn(pair.cert), context: createSecureContext({ ...pair, minVersion: MIN_VERSION }) };
      const names = hostNames(shown.names);
      if (names.length === 0) throw new Error(`the certificate of ${subjectOf(pair.cert)} names no host, so nobody can ask for it`);
      for (const name of names) if (!this.byName.has(name)) this.byName.set(name, shown);
    }
  }

  /** @returns undefined for the ordinary one */
  find(name: string): SecureContext | undefined {
    return this.of(name)?.context;
  }

  /** What the certificate names that who asks for the name, or for none, is shown; undefined without any. */
  names(name: string | undefined): CertificateNames | undefined {
    return ((name === undefined ? undefined : this.of(name)) ?? this.ordinary)?.names;
  }

  private of(name: string): Shown | undefined {
    const wanted = name.toLowerCase();
    if (this.byName.has(wanted)) return this.byName.get(wanted);
    // RFC 6125 6.4.3: a wildcard stands for one label. For SIP it is worth nothing (RFC 5922 7.2), for HTTP it is.
    return this.byName.get(wanted.replace(/^[^.]+/, '*'));
  }
}

interface Shown {
  readonly names: CertificateNames;
  /** Undefined for the ordinary one, which listeners have already. */
  readonly context: SecureContext | undefined;
}

function namesIn(cert: string): CertificateNames {
  const { subject, subjectaltname } = new X509Certificate(cert).toLegacyObject();
  return { subject, subjectaltname };
}

function subjectOf(cert: string): string {
  // Undefined for one without a subject, whatever the types say.
  return String(new X509Certificate(cert).subject ?? 'nobody').replaceAll('\n', ', ');
}
