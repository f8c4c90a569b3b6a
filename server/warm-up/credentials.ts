import { digestHash } from '../accounts/ha1.ts';

/** What a client needs to log in by digest (RFC 7616 3.4, MD5 as nearly all agents do): the nonce it was last given, and how often it used it. */
export class Credentials {
  private readonly username: string;
  private readonly password: string;
  private realm = '';
  private nonce = '';
  private count = 0;

  constructor(username: string, password: string) {
    this.username = username;
    this.password = password;
  }

  /** Takes what a 401 challenges with; all its challenges in one text. */
  challenged(text: string): void {
    this.realm = /realm="([^"]*)"/.exec(text)?.[1] ?? '';
    this.nonce = /nonce="([^"]*)"/.exec(text)?.[1] ?? '';
    this.count = 0;
  }

  /** The value of an Authorization header field; undefined before the first challenge. */
  answer(method: string, uri: string): string | undefined {
    if (this.nonce === '') return undefined;
    const { username, realm, nonce } = this;
    const count = (++this.count).toString(16).padStart(8, '0');
    const ha1 = digestHash('MD5', `${username}:${realm}:${this.password}`);
    const response = digestHash('MD5', `${ha1}:${nonce}:${count}:c:auth:${digestHash('MD5', `${method}:${uri}`)}`);
    return `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, cnonce="c", qop=auth, nc=${count}`;
  }
}
