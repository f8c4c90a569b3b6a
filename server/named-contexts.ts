import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { hostNames } from '../sip/transport/peer-certificate.ts';
import { MIN_VERSION } from '../sip/transport/tls.ts';

/** PEM texts of a certificate, its key, and the authorities whose certificates are believed. */
export interface NamedPair {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

/** Which certificate is shown to whom, by the name that is asked for (RFC 6066 3). */
export class NamedContexts {
  private readonly contexts = new Map<string, SecureContext | undefined>();

  /**
   * @param ordinary PEM text of what is shown unless another is asked for; what it names is not looked for in the others
   * @param pairs of two with the same name, the first counts
   * @throws Error for a certificate that is none, names nothing, or does not belong to its key
   */
  constructor(ordinary: string | undefined, pairs: readonly NamedPair[]) {
    if (ordinary !== undefined && pairs.length > 0) for (const name of namesIn(ordinary)) this.contexts.set(name, undefined);
    for (const pair of pairs) {
      const context = createSecureContext({ ...pair, minVersion: MIN_VERSION });
      const names = namesIn(pair.cert);
      if (names.length === 0) throw new Error(`the certificate of ${subjectOf(pair.cert)} names no host, so nobody can ask for it`);
      for (const name of names) if (!this.contexts.has(name)) this.contexts.set(name, context);
    }
  }

  /** @returns undefined for the ordinary one */
  find(name: string): SecureContext | undefined {
    const wanted = name.toLowerCase();
    if (this.contexts.size === 0 || this.contexts.has(wanted)) return this.contexts.get(wanted);
    // RFC 6125 6.4.3: a wildcard stands for one label. For SIP it is worth nothing (RFC 5922 7.2), for HTTP it is.
    return this.contexts.get(wanted.replace(/^[^.]+/, '*'));
  }
}

function namesIn(cert: string): readonly string[] {
  const { subject, subjectaltname } = new X509Certificate(cert).toLegacyObject();
  return hostNames({ subject, subjectaltname });
}

function subjectOf(cert: string): string {
  return new X509Certificate(cert).subject.replaceAll('\n', ', ');
}
