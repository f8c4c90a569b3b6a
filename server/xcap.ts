import type { FastifyPluginAsync } from 'fastify';
import type { XcapResources } from '../sip/packages/xcap-resources.ts';
import type { ListDirectory } from '../sip/rls/resolved-list.ts';
import type { HttpAuthenticator, Requester, XuiDirectory } from '../xcap/access.ts';
import { DocumentService, type DocumentServiceOptions } from '../xcap/document-service.ts';
import type { DocumentStore } from '../xcap/document-store.ts';
import { xcapPlugin } from '../xcap/plugin.ts';
import { applicationUsages } from '../xcap/usages/index.ts';
import type { MayWatch } from '../xcap/usages/pres-content.ts';
import { ServiceIndex } from '../xcap/usages/rls-services-index.ts';
import { listDirectory } from './list-directory.ts';
import type { Logger } from './logger.ts';
import { operatorUsages } from './operator-usages.ts';
import type { UsageSetting } from './usage-setting.ts';
import { xcapResources } from './xcap-resources.ts';

export interface XcapOptions {
  readonly roots: readonly string[];
  readonly documents: DocumentStore;
  readonly directory: XuiDirectory;
  /** Is there an account of this canonical address, so that it cannot be a service's? */
  readonly hasAccount: (address: string) => boolean;
  /** Do the user's presence rules let the watcher see the user's presence? */
  readonly mayWatch: MayWatch;
  readonly usages: readonly UsageSetting[];
  readonly authenticator: HttpAuthenticator;
  /** That URI as the settings say it, '' where they do not. */
  readonly publicRoot: string;
  /** The absolute URI of the first XCAP root, with a slash at the end. */
  readonly rootUri: () => string;
  /** What the canonical address of an authenticated SIP user may do with documents. */
  readonly requester: (address: string) => Requester;
  readonly limits: NonNullable<DocumentServiceOptions['limits']>;
  readonly log: Logger;
}

export interface Xcap {
  readonly plugin: FastifyPluginAsync;
  /** What the resource list server asks of the documents. */
  readonly lists: ListDirectory;
  /** What the xcap-diff event package asks of them. */
  readonly resources: XcapResources;
  /** Largest request body, in bytes. */
  readonly bodyLimit: number;
}

/** Assembles the XCAP side over a document store. */
export async function createXcap(options: XcapOptions): Promise<Xcap> {
  const { roots, publicRoot, documents, directory, hasAccount, mayWatch, authenticator, rootUri, requester, limits, log } = options;
  const services = await ServiceIndex.open(documents, ({ xui }, err) => log.warn({ owner: xui, err }, 'list services that cannot be read'));
  const more = operatorUsages(options.usages);
  const usages = applicationUsages({ documents, services, isUser: hasAccount, mayWatch, root: publicRoot || (roots[0] ?? ''), more });
  const service = new DocumentService({ store: documents, usages, xuiDirectory: directory, roots, publicRoot, limits });
  return {
    lists: listDirectory(services, service, documents, roots[0] ?? '/', log),
    resources: xcapResources({ service, usages, documents, directory, root: roots[0] ?? '/', rootUri, requester }),
    bodyLimit: service.documentBytes,
    plugin: async (app) => {
      await app.register(xcapPlugin, { service, authenticator, roots, log });
    },
  };
}
