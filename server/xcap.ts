import type { FastifyPluginAsync } from 'fastify';
import type { UserDirectory } from '../sip/core/authenticator.ts';
import type { HttpAuthenticator, XuiDirectory } from '../xcap/access.ts';
import { DocumentService } from '../xcap/document-service.ts';
import type { DocumentStore } from '../xcap/document-store.ts';
import { xcapPlugin } from '../xcap/plugin.ts';
import { applicationUsages } from '../xcap/usages/index.ts';
import { ServiceIndex } from '../xcap/usages/rls-services-index.ts';
import type { Logger } from './logger.ts';

export interface XcapOptions {
  readonly roots: readonly string[];
  readonly documents: DocumentStore;
  readonly directory: XuiDirectory & Pick<UserDirectory, 'hasUser'>;
  readonly authenticator: HttpAuthenticator;
  readonly log: Logger;
}

export interface Xcap {
  readonly plugin: FastifyPluginAsync;
  readonly services: ServiceIndex;
  /** Largest request body, in bytes. */
  readonly bodyLimit: number;
}

/** Assembles the XCAP side over a document store. */
export async function createXcap({ roots, documents, directory, authenticator, log }: XcapOptions): Promise<Xcap> {
  const services = await ServiceIndex.open(documents);
  const usages = applicationUsages({ services, isUser: (address) => directory.hasUser(address) });
  const service = new DocumentService({ store: documents, usages, xuiDirectory: directory, roots });
  return {
    services,
    bodyLimit: service.documentBytes,
    plugin: async (app) => {
      await app.register(xcapPlugin, { service, authenticator, roots, log });
    },
  };
}
