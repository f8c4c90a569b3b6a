export const PARTIAL = ['application/pidf-diff+xml', 'application/pidf+xml;q=0.5'];

export interface Rich {
  readonly tuples: readonly (readonly [id: string, basic: 'open' | 'closed'])[];
  readonly note?: string;
  readonly mood?: string;
  readonly activity?: string;
  readonly device?: string;
}

/** A document with something of RPID, CIPID and extensions of nobody's, so that there is more than its changes. */
export function rich(entity: string, { tuples, note, mood, activity, device }: Rich): string {
  const services = tuples.map(
    ([id, basic]) => `  <tuple id="${id}">
    <status><basic>${basic}</basic><im>${basic === 'open' ? 'online' : 'away'}</im></status>
    <caps:servcaps><caps:audio>true</caps:audio><caps:text>true</caps:text></caps:servcaps>
    <contact priority="0.8">sip:bob@${id}.example.com</contact>
  </tuple>\n`,
  );
  const notes = note === undefined ? '' : `  <note xml:lang="en">${note}</note>\n`;
  const attributes = [
    mood === undefined ? '' : `<r:mood><r:${mood}/></r:mood>`,
    activity === undefined ? '' : `<r:activities><r:${activity}/></r:activities>`,
  ].join('');
  const person = `  <dm:person id="bob">${attributes}<ci:homepage>http://example.com/~bob/</ci:homepage><x:shoe size="44"/></dm:person>\n`;
  const devices = device === undefined ? '' : `  <dm:device id="d-${device}"><dm:deviceID>urn:uuid:${device}</dm:deviceID></dm:device>\n`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"
  xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid" xmlns:caps="urn:ietf:params:xml:ns:pidf:caps" xmlns:x="urn:example:x" entity="${entity}">
${services.join('')}${notes}${person}${devices}</presence>
`;
}
