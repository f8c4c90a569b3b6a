/** What is put into messages in the place of what was there. */
const PIECES = [
  ...[
    '',
    '\0',
    '\r',
    '\n',
    '\r\n',
    '\r\n ',
    ' ',
    '\t',
    ';',
    ';;',
    ',',
    ',,',
    '"',
    '\\',
    '<',
    '>',
    '<>',
    '%',
    '%zz',
    '%00',
    '@',
    ':',
    '::',
    '=',
    '?',
    '&',
  ],
  ...[
    '*',
    '/',
    'sip:',
    'sips:',
    'tel:',
    'pres:',
    ';tag=',
    ';tag',
    ';expires=-1',
    ';id=1',
    '0',
    '-1',
    '99999999999',
    '4294967296',
    '1e9',
    'NaN',
    '\xff\xfe',
  ],
  ...[
    '\xc3\xa4',
    '\xe2\x80\xae',
    'Expires: 0\r\n',
    'Event: presence.winfo\r\n',
    'Require: x\r\n',
    'SIP-If-Match: x\r\n',
    'Content-Length: 5\r\n',
  ],
  ...[
    'Content-Encoding: gzip\r\n',
    'Accept: ;q=0\r\n',
    'Supported: eventlist\r\n',
    'Route: <sip:127.0.0.1;lr>\r\n',
    '<!DOCTYPE a>',
    ']]>',
    '&a;',
    '<!--',
    'xmlns=""',
  ],
];

/** The text with up to five places changed. */
export function mutate(text: string, random: (below: number) => number): string {
  let out = text;
  for (let i = random(4); i >= 0; i--) {
    const at = random(out.length + 1);
    const length = random(3) === 0 ? random(40) : random(3);
    const piece = random(5) === 0 ? out.slice(random(out.length), random(out.length)) : (PIECES[random(PIECES.length)] ?? '');
    out = out.slice(0, at) + piece + out.slice(at + length);
  }
  return out;
}
