import { DATA_MODEL, PIDF, PIDF_TYPE, parsePidf, RPID } from '../../schemas/pidf.ts';
import { XmlError } from '../../schemas/xml/parse.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import { XcapConflict } from '../errors.ts';

const EXTENSIONS = ['cipid', 'timed-status', 'caps'].map((name) => `${PIDF}:${name}`);

/** Characters of a document: it goes out whole in NOTIFYs. */
const LONGEST = 65_536;

/**
 * Presence without a device (RFC 4827): one presence document per user that lasts until it is deleted. Presence composes it with what the
 * user's agents publish, below all of that.
 */
export const pidfManipulation: ApplicationUsage = {
  auid: 'pidf-manipulation',
  defaultNamespace: PIDF,
  contentType: PIDF_TYPE,
  schema: PIDF,
  namespaces: [PIDF, DATA_MODEL, RPID, ...EXTENSIONS],
  validate({ source }, { key }) {
    // RFC 4827 9: a single document, of this name, in the users tree.
    if (key.xui === undefined || key.name !== 'index') {
      throw new XcapConflict('constraint-failure', "a user's one presence document is named index (RFC 4827 9)");
    }
    if (source.length > LONGEST) {
      throw new XcapConflict('constraint-failure', `a presence document may have ${LONGEST} characters, not ${source.length}`);
    }
    try {
      parsePidf(source);
    } catch (error) {
      if (error instanceof XmlError) throw new XcapConflict('constraint-failure', error.message);
      throw error;
    }
  },
};
