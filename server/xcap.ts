import type { FastifyPluginAsync } from 'fastify';
import type { ListDirectory } from '../sip/rls/resolved-list.ts';
import type { HttpAuthenticator, XuiDirectory } from '../xcap/access.ts';
import { DocumentService, type DocumentServiceOptions } from '../xcap/document-service.ts';
import type { DocumentStore } from '../xcap/document-store.ts';
import { xcapPlugin } from '../xcap/plugin.ts';
import { applicationUsages } from '../xcap/usages/index.ts';
import { ServiceIndex } from '../xcap/usages/rls-services-index.ts';
import { listDirectory } from './list-directory.ts';
import type { Logger } from './logger.ts';

export interface XcapOptions {
  readonly roots: readonly string[];
  readonly documents: DocumentStore;
  readonly directory: XuiDirectory;
  /** Is there an account of this canonical address, so that it cannot be a service's? */
  readonly hasAccount: (address: string) => boolean;
  readonly authenticator: HttpAuthenticator;
  readonly limits: NonNullable<DocumentServiceOptions['limits']>;
  readonly log: Logger;
}

export interface Xcap {
  readonly plugin: FastifyPluginAsync;
  /** What the resource list server asks of the documents. */
  readonly lists: ListDirectory;
  /** Largest request body, in bytes. */
  readonly bodyLimit: number;
}

/** Assembles the XCAP side over a document store. */
export async function createXcap({ roots, documents, directory, hasAccount, authenticator, limits, log }: XcapOptions): Promise<Xcap> {
  const services = await ServiceIndex.open(documents);
  const usages = applicationUsages({ services, isUser: hasAccount });
  const service = new DocumentService({ store: documents, usages, xuiDirectory: directory, roots, limits });
  return {
    lists: listDirectory(services, service, documents),
    bodyLimit: service.documentBytes,
    plugin: async (app) => {
      await app.register(xcapPlugin, { service, authenticator, roots, log });
    },
  };
}
