import { createHash } from 'node:crypto';

export interface AnswerOptions {
  readonly challenge: string;
  readonly username: string;
  readonly password: string;
  readonly method: string;
  readonly uri: string;
  /** What stands in the header field, when that is not the URI as it is. */
  readonly writtenUri?: string;
  readonly nc?: number;
  /** None: as RFC 2069 had it. */
  readonly qop?: 'auth' | 'auth-int' | 'none';
  readonly body?: string;
  readonly session?: boolean;
}

/** The Authorization value of a client that knows the password: RFC 7616 3.4, computed apart from the server's code. */
export function answer(options: AnswerOptions): string {
  const { challenge, username, password, method, uri, writtenUri = uri, nc = 1, qop = 'auth', body = '', session = false } = options;
  const part = (name: string) => new RegExp(`[ ,]${name}="?([^",]*)`).exec(challenge)?.[1] ?? '';
  const name = part('algorithm');
  const hash = (text: string) =>
    createHash(name === 'SHA-256' ? 'sha256' : 'md5')
      .update(text)
      .digest('hex');
  const nonce = part('nonce');
  const realm = part('realm');
  const counter = nc.toString(16).padStart(8, '0');
  const plain = hash(`${username}:${realm}:${password}`);
  const ha1 = session ? hash(`${plain}:${nonce}:c1`) : plain;
  const ha2 = hash(`${method}:${uri}${qop === 'auth-int' ? `:${hash(body)}` : ''}`);
  const response = hash(qop === 'none' ? `${ha1}:${nonce}:${ha2}` : `${ha1}:${nonce}:${counter}:c1:${qop}:${ha2}`);
  const counted = qop === 'none' ? '' : `, qop=${qop}, nc=${counter}, cnonce="c1"`;
  const algorithm = session ? `${name}-sess` : name;
  return `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${writtenUri}", response="${response}", algorithm=${algorithm}${counted}`;
}
