import { describe, expect, it } from 'vitest';
import { parsePidf } from '../../schemas/pidf.ts';
import { ALL_PERMISSIONS, combinePermissions } from '../../schemas/pres-rules.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { transformComponent } from '../../sip/presence/transformations.ts';

const [TUPLE] = parsePidf(`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:b@d">
<tuple id="t"><!-- sad --><status><!-- sad --><basic>open</basic></status><contact><!-- sad -->sip:b@h</contact><?mood sad?>
<note><![CDATA[<!-- ]]>kept<![CDATA[ --> <? ?>]]></note></tuple></presence>`).components;

describe('RFC 5025 3.3: what no permission can name', () => {
  it('is not seen: comments and processing instructions', () => {
    if (!TUPLE) throw new Error('no tuple');
    const text = transformComponent(TUPLE, combinePermissions([{ provideServices: 'all', provideNote: true }])) ?? '';
    parseXml(text.replace('<tuple', '<tuple xmlns="urn:ietf:params:xml:ns:pidf"'));
    expect(text).not.toContain('sad');
    expect(text).toContain('<note><![CDATA[<!-- ]]>kept<![CDATA[ --> <? ?>]]></note>');
  });

  it('comes as it was written to those who see everything', () => {
    if (!TUPLE) throw new Error('no tuple');
    expect(transformComponent(TUPLE, ALL_PERMISSIONS)).toBe(TUPLE.text);
  });
});
