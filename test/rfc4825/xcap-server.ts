import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import pino from 'pino';
import { SqliteDocumentStore } from '../../server/storage/sqlite/documents.ts';
import type { HttpAuthenticator, XuiDirectory } from '../../xcap/access.ts';
import type { ApplicationUsage } from '../../xcap/application-usage.ts';
import { DocumentService, type DocumentServiceOptions } from '../../xcap/document-service.ts';
import type { DocumentStore } from '../../xcap/document-store.ts';
import { xcapPlugin } from '../../xcap/plugin.ts';
import { applicationUsages } from '../../xcap/usages/index.ts';
import type { MayWatch } from '../../xcap/usages/pres-content.ts';
import { ServiceIndex } from '../../xcap/usages/rls-services-index.ts';

export interface XcapResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface XcapServerOptions {
  readonly roots?: readonly string[];
  readonly authenticator?: HttpAuthenticator;
  readonly limits?: NonNullable<DocumentServiceOptions['limits']>;
  readonly publicRoot?: string;
  readonly isUser?: (address: string) => boolean;
  /** What the usages are instead. */
  readonly adaptUsages?: (usages: readonly ApplicationUsage[]) => readonly ApplicationUsage[];
  readonly mayWatch?: MayWatch;
  readonly more?: readonly ApplicationUsage[];
  /** Puts something between the service and the SQLite store. */
  readonly wrapStore?: (store: DocumentStore) => DocumentStore;
}

export const RESOURCE_LISTS = 'application/resource-lists+xml';
export const RLS_SERVICES = 'application/rls-services+xml';
export const AUTH_POLICY = 'application/auth-policy+xml';
export const ELEMENT = 'application/xcap-el+xml';
export const ATTRIBUTE = 'application/xcap-att+xml';

const USERS = new Set(['sip:a@x', 'sip:b@x', 'sip:c@x', 'sip:e@x', 'sip:d/e?f@x']);

/** Knows sip:a@x, sip:b@x, sip:c@x, sip:e@x and sip:d/e?f@x, its own domain being x. */
export const directory: XuiDirectory = {
  resolveXui(xui) {
    const address = xui.includes(':') ? xui : xui.includes('@') ? `sip:${xui}` : `sip:${xui}@x`;
    return USERS.has(address) ? address : undefined;
  },
};

const anyone: HttpAuthenticator = { authenticate: () => ({ kind: 'requester', requester: { address: undefined, admin: true } }) };

/** Believes what stands in `Authorization: Test ADDRESS` (`Test admin` for an admin); challenges requests without it. */
export const byName: HttpAuthenticator = {
  authenticate({ authorization }) {
    if (authorization === undefined)
      return { kind: 'challenge', challenges: ['Digest realm="x", nonce="n"', 'Basic realm="x"'], reason: 'who is it?' };
    const address = authorization.slice('Test '.length);
    return { kind: 'requester', requester: { address, admin: address === 'admin' } };
  },
};

/** A real XCAP server on a loopback port, with a real database. */
export class XcapServer {
  readonly port: number;
  readonly store: SqliteDocumentStore;
  readonly services: ServiceIndex;
  private readonly fastify: FastifyInstance;
  private readonly folder: string;

  private constructor(fastify: FastifyInstance, port: number, store: SqliteDocumentStore, services: ServiceIndex, folder: string) {
    this.fastify = fastify;
    this.port = port;
    this.store = store;
    this.services = services;
    this.folder = folder;
  }

  static async start(options: XcapServerOptions = {}): Promise<XcapServer> {
    const {
      roots = ['/xcap-root'],
      authenticator = anyone,
      wrapStore = (store) => store,
      limits = {},
      publicRoot,
      isUser,
      mayWatch,
      more = [],
    } = options;
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-xcap-'));
    const log = pino({ level: 'silent' });
    const sqlite = new SqliteDocumentStore(join(folder, 'documents.db'), log);
    const store = wrapStore(sqlite);
    const services = await ServiceIndex.open(store);
    const usages = (options.adaptUsages ?? ((same) => same))(
      applicationUsages({
        documents: store,
        services,
        root: roots[0] ?? '',
        ...(isUser && { isUser }),
        ...(mayWatch && { mayWatch }),
        more,
      }),
    );
    const service = new DocumentService({
      store,
      usages,
      xuiDirectory: directory,
      roots,
      limits,
      ...(publicRoot !== undefined && { publicRoot }),
    });
    const fastify = Fastify({ logger: false });
    fastify.get('/healthy', () => 'yes');
    await fastify.register(xcapPlugin, { roots, service, authenticator, log });
    await fastify.listen({ host: '127.0.0.1', port: 0 });
    const address = fastify.server.address();
    return new XcapServer(fastify, typeof address === 'object' && address ? address.port : 0, sqlite, services, folder);
  }

  async stop(): Promise<void> {
    await this.fastify.close();
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  request(method: string, path: string, headers: Record<string, string> = {}, body?: string | Buffer): Promise<XcapResponse> {
    // Node sends no length of its own with the body of a GET or DELETE.
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, method, path, headers: { ...length, ...headers }, agent: false };
      const request = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() }),
        );
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<XcapResponse> {
    return this.request('GET', path, headers);
  }

  delete(path: string, headers: Record<string, string> = {}): Promise<XcapResponse> {
    return this.request('DELETE', path, headers);
  }

  put(path: string, type: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<XcapResponse> {
    return this.request('PUT', path, { 'content-type': type, ...headers }, body);
  }

  /** Sends a request line as it is, which an HTTP client would refuse to, and gives the whole answer. */
  raw(requestLine: string, headers: readonly string[] = [], body = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1');
      let answer = '';
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => (answer += chunk));
      socket.on('error', reject);
      socket.on('close', () => resolve(answer));
      const fields = ['Host: xcap.test', 'Connection: close', ...(body && [`Content-Length: ${Buffer.byteLength(body)}`]), ...headers];
      socket.write(`${requestLine} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body}`);
    });
  }
}

/** The document of most tests: two lists, f (b and c) and g (empty). */
export const LISTS = `<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
 <list name="f">
  <entry uri="sip:b@x"/>
  <!-- c is new -->
  <entry uri='sip:c@x'><display-name>C &amp; co</display-name></entry>
 </list>
 <list name="g"></list>
</resource-lists>
`;

/** D and F of the rules: a's document, and the list f in it. */
export const D = '/xcap-root/resource-lists/users/sip:a@x/index';
export const F = `${D}/~~/resource-lists/list%5B@name=%22f%22%5D`;
export const G = `${D}/~~/resource-lists/list%5B@name=%22g%22%5D`;

/** A last step by attribute, percent-encoded. */
export function entry(uri: string): string {
  return `entry%5B@uri=%22${uri}%22%5D`;
}
