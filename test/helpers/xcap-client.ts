import { request } from 'node:http';
import { DigestClient } from './digest-client.ts';

export interface XcapClientOptions {
  readonly host: string;
  readonly port: number;
  /** The path of the XCAP root, without a final slash. */
  readonly root: string;
  readonly user: string;
  readonly password: string;
  readonly auth: 'digest' | 'basic' | 'none';
  /** Told of every request and response, challenges too. */
  readonly log?: (exchange: XcapExchange) => void;
}

export interface XcapExchange {
  readonly user: string;
  readonly method: string;
  readonly target: string;
  readonly requestBody: string;
  readonly response: XcapResponse;
}

export interface XcapResponse {
  readonly status: number;
  /** By lower-case name; of a field that stands several times, the values joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The ETag as it stands, quotes and all; '' when there is none. */
  readonly etag: string;
}

const DOCUMENT_TYPES: Readonly<Record<string, string>> = {
  'resource-lists': 'application/resource-lists+xml',
  'rls-services': 'application/rls-services+xml',
  'pres-rules': 'application/auth-policy+xml',
  'xcap-caps': 'application/xcap-caps+xml',
  'pidf-manipulation': 'application/pidf+xml',
  'org.openmobilealliance.pres-rules': 'application/auth-policy+xml',
  'simservs.ngn.etsi.org': 'application/vnd.etsi.simservs+xml',
  'org.openmobilealliance.pres-content': 'application/vnd.oma.pres-content+xml',
  'org.openmobilealliance.user-profile': 'application/vnd.oma.user-profile+xml',
};

/** An XCAP client on bare HTTP: what it is given as path goes into the request line as it stands. */
export class XcapClient {
  readonly options: XcapClientOptions;
  readonly #digest: DigestClient;

  constructor(options: XcapClientOptions) {
    this.options = options;
    this.#digest = new DigestClient(options.user, options.password);
  }

  /** `path` follows the root: `/resource-lists/users/A/index`. */
  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<XcapResponse> {
    return this.request('GET', path, { headers });
  }

  /** The Content-Type follows from the path unless the headers name one. */
  put(path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<XcapResponse> {
    return this.request('PUT', path, { headers: { 'Content-Type': contentTypeOf(path), ...headers }, body });
  }

  delete(path: string, headers: Readonly<Record<string, string>> = {}): Promise<XcapResponse> {
    return this.request('DELETE', path, { headers });
  }

  async request(
    method: string,
    path: string,
    { headers = {}, body = '' }: { headers?: Readonly<Record<string, string>>; body?: string } = {},
  ): Promise<XcapResponse> {
    const target = this.options.root + path;
    for (let attempt = 0; ; attempt++) {
      const authorization = this.#authorization(method, target);
      const sent = authorization === undefined ? headers : { ...headers, Authorization: authorization };
      const response = await this.#exchange(method, target, sent, body);
      this.options.log?.({ user: this.options.user, method, target, requestBody: body, response });
      if (response.status !== 401 || attempt > 0 || this.options.auth !== 'digest') return response;
      // Node joins several WWW-Authenticate values with a comma; a new challenge starts where a scheme name does.
      const challenges = (response.headers['www-authenticate'] ?? '').split(/,\s*(?=(?:Digest|Basic)\s)/i);
      if (!this.#digest.accept(challenges)) return response;
    }
  }

  #authorization(method: string, target: string): string | undefined {
    const { auth, user, password } = this.options;
    if (auth === 'basic') return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    return auth === 'digest' ? this.#digest.authorize(method, target) : undefined;
  }

  #exchange(method: string, path: string, headers: Readonly<Record<string, string>>, body: string): Promise<XcapResponse> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      const content = Buffer.from(body);
      const length = method === 'PUT' || content.length > 0 ? { 'Content-Length': String(content.length) } : {};
      const outgoing = request({ host, port, method, path, headers: { ...headers, ...length } }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const fields: Record<string, string> = {};
          for (const [name, values] of Object.entries(incoming.headersDistinct)) fields[name] = (values ?? []).join(', ');
          resolve({
            status: incoming.statusCode ?? 0,
            headers: fields,
            body: Buffer.concat(chunks).toString('utf8'),
            etag: fields.etag ?? '',
          });
        });
      });
      outgoing.setTimeout(8000, () => outgoing.destroy(new Error(`no answer to ${method} ${path} within 8 s`)));
      outgoing.on('error', reject);
      outgoing.end(content);
    });
  }
}

function contentTypeOf(path: string): string {
  const separator = path.indexOf('/~~/');
  if (separator < 0) return DOCUMENT_TYPES[path.split('/')[1] ?? ''] ?? 'application/xml';
  const selector = path.slice(separator).split('?')[0] ?? '';
  const lastStep = selector.slice(selector.lastIndexOf('/') + 1);
  return lastStep.startsWith('@') || lastStep.startsWith('%40') ? 'application/xcap-att+xml' : 'application/xcap-el+xml';
}
