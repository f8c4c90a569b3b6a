import { canonicalAddress } from '../../schemas/address.ts';
import { attribute, childrenNamed } from '../../schemas/xml/tree.ts';
import { type ApplicationUsage, defaultAuthorization } from '../application-usage.ts';
import { XcapConflict } from '../errors.ts';

const USER_PROFILE = 'urn:oma:xml:xdm:user-profile';

/**
 * What users tell of themselves (OMA XDM, user profile): meant to be found, so that every user may read every profile. Each profile in a
 * user's document is about that user. Clients name the document `user-profile`.
 */
export const userProfile: ApplicationUsage = {
  auid: 'org.openmobilealliance.user-profile',
  defaultNamespace: USER_PROFILE,
  contentType: 'application/vnd.oma.user-profile+xml',
  schema: USER_PROFILE,
  namespaces: [USER_PROFILE],
  authorize: (requester, key, access) => access === 'read' || defaultAuthorization(requester, key, access),
  validate({ root }, { key, resolveXui }) {
    for (const profile of childrenNamed(root, USER_PROFILE, 'user-profile')) {
      const uri = attribute(profile, 'uri') ?? '';
      if (key.xui !== undefined && resolveXui(uri) !== key.xui && canonicalAddress(uri) !== key.xui) {
        throw new XcapConflict(
          'constraint-failure',
          `the profile is about ${uri.slice(0, 200)}, but must be about the user that stores it`,
        );
      }
    }
  },
};
