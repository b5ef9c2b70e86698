import { describe, expect, it } from 'vitest';
import { makeGoldenValues } from '../../../deploy/golden-digests/golden-values.ts';
import { RIM_MAXIMUM_OCTETS } from '../../../deploy/golden-digests/plain-xml.ts';
import { RimError, type RimErrorCode } from '../../../deploy/golden-digests/rim-error.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import {
  AUTHORITY,
  authorityOfPath,
  C14N_11,
  type ChainChanges,
  ENVELOPED,
  hashOf,
  keyInfoOf,
  makeChain,
  NOW,
  RESOURCES,
  resource,
  rimText,
  SIGNER,
  type SigningChanges,
  signRim,
  soundRim,
  strangerKey,
  trust,
} from './rim-fixture.ts';

const judge = (text: string, name = 'rim.xml', changed = trust) =>
  makeGoldenValues([{ name, octets: toUtf8(text) }], changed);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RimError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** The text with one thing replaced, which must be there. */
function replaced(text: string, what: string, by: string): string {
  expect(text).toContain(what);
  return text.replace(what, by);
}

const signatureOf = (text: string): string => /<ds:Signature .*<\/ds:Signature>/s.exec(text)?.[0] ?? '';
const TWO = [
  { xpath: '/*', uri: '' },
  { xpath: '/*', uri: '' },
];

describe('a sound file', () => {
  it('gives active indices as blocks, all alternatives, in the manifest’s form', async () => {
    expect(await judge(soundRim())).toEqual({
      golden_drivers: [
        {
          version: '550.144.03',
          blocks: [
            { block: 8, digests: [hashOf(0x11)] },
            { block: 22, digests: [hashOf(0x22), hashOf(0x33)] },
          ],
        },
      ],
      golden_vbioses: [],
    });
  });

  it('of a VBIOS takes the board from its name', async () => {
    const text = signRim(rimText({ version: '96.00.9f.00.01' }));
    const { golden_vbioses } = await judge(text, 'NV_GPU_VBIOS_1010_0210_886_96009F0001.xml');
    expect(golden_vbioses).toMatchObject([
      { version: '96.00.9F.00.01', project: '1010', project_sku: '0210', chip_sku: '886' },
    ]);
  });

  it('holds with white space and other prefixes, because canonical octets are what was signed', async () => {
    const text = signRim(rimText().replaceAll('ns0:', 'swid:').replace('xmlns:ns0', 'xmlns:swid'));
    expect((await judge(replaced(text, ' corpus=', '\n   corpus='))).golden_drivers).toHaveLength(1);
  });
});

describe('what is no plain XML is refused before it is parsed', () => {
  const sound = soundRim();
  const cases: readonly (readonly [string, string, RimErrorCode])[] = [
    ['over the bound', sound + ' '.repeat(RIM_MAXIMUM_OCTETS), 'rim_too_large'],
    ['a DTD', `<!DOCTYPE SoftwareIdentity>${sound}`, 'rim_xml_forbidden'],
    ['an entity', `<!DOCTYPE a [<!ENTITY e "True">]>${sound.replace('True', '&e;')}`, 'rim_xml_forbidden'],
    [
      'a reference to a character',
      replaced(sound, 'active="True"', 'active="&#84;rue"'),
      'rim_xml_forbidden',
    ],
    ['a processing instruction', `<?xml-stylesheet href="a"?>${sound}`, 'rim_xml_forbidden'],
    ['an XML declaration', `<?xml version="1.0"?>${sound}`, 'rim_xml_forbidden'],
    [
      'a comment beside elements',
      replaced(sound, '</ns0:Payload>', '<!-- --></ns0:Payload>'),
      'rim_xml_forbidden',
    ],
    // C14N drops comments: the signature over SignedInfo would hold, and a reader that takes the first text node be misled.
    [
      'a comment inside a digest',
      replaced(sound, '</ds:DigestValue>', '<!---->AAAA</ds:DigestValue>'),
      'rim_xml_forbidden',
    ],
    ['CDATA', replaced(sound, '</ds:DigestValue>', '<![CDATA[]]></ds:DigestValue>'), 'rim_xml_forbidden'],
    ['a carriage return', replaced(sound, '\n', '\r\n'), 'rim_xml_forbidden'],
    [
      'an octet outside ASCII',
      replaced(sound, 'NVIDIA Corporation', 'NVIDIA\u00a0Corporation'),
      'rim_xml_forbidden',
    ],
    ['a second root', `${sound}<a/>`, 'rim_xml_malformed'],
    ['text after the root', `${sound}a`, 'rim_xml_malformed'],
    ['an unclosed element', sound.slice(0, -4), 'rim_xml_malformed'],
    ['an attribute twice', replaced(sound, 'index="7"', 'index="7" index="9"'), 'rim_xml_malformed'],
    [
      'an attribute of the xml prefix',
      signRim(rimText({ root: ' xml:base="http://a/"' })),
      'rim_xml_malformed',
    ],
    ['deep nesting', `${'<a>'.repeat(30_000)}${'</a>'.repeat(30_000)}`, 'rim_xml_malformed'],
    ['nothing', '', 'rim_xml_malformed'],
  ];
  it.each(cases)('%s', async (_, text, code) => {
    expect(await codeOf(judge(text))).toBe(code);
  });
});

describe('a signature in another form is refused, also where the genuine signer made it', () => {
  const sound = soundRim();
  const signature = signatureOf(sound);
  const evil = (text: string) => replaced(text, hashOf(0x11), hashOf(0x66));
  const id = (uri: string): SigningChanges => ({ references: [{ xpath: '//*[@Id="a"]', uri }] });
  const withId = rimText({ payload: ' Id="a"' });
  const body = sound.replace(signature, '');
  const cases: readonly (readonly [string, string, RimErrorCode])[] = [
    ['none', body, 'rim_signature_structure'],
    ['a second one', replaced(sound, signature, signature + signature), 'rim_signature_structure'],
    [
      'a second one in another namespace',
      replaced(sound, '</ns0:Payload>', '</ns0:Payload><Signature xmlns="a:b"/>'),
      'rim_signature_structure',
    ],
    [
      'a second one inside the first',
      replaced(sound, '</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${signature}</ds:Object>`),
      'rim_signature_structure',
    ],
    [
      'moved below',
      replaced(body, '</ns0:Payload>', `${signature}</ns0:Payload>`),
      'rim_signature_structure',
    ],
    [
      'wrapped: the signed document inside another one',
      replaced(evil(body), '</ns0:Payload>', `</ns0:Payload>${sound}`),
      'rim_signature_structure',
    ],
    [
      'an Object beside it',
      replaced(sound, '</ds:KeyInfo>', '</ds:KeyInfo><ds:Object/>'),
      'rim_signature_structure',
    ],
    [
      'of another namespace',
      sound.replaceAll('2000/09/xmldsig#"', '2000/09/xmldsigs#"'),
      'rim_signature_structure',
    ],
    [
      'whose parts alone are of the namespace',
      sound
        .replace('<ds:Signature xmlns:ds', '<x:Signature xmlns:x="a:b" xmlns:ds')
        .replace('</ds:Signature>', '</x:Signature>'),
      'rim_signature_structure',
    ],
    ['over a part by its id', signRim(withId, id('#a')), 'rim_reference'],
    ['with two references', signRim(rimText(), { references: TWO }), 'rim_reference'],
    ['without enveloped-signature', signRim(rimText(), { transforms: [C14N_11] }), 'rim_algorithm'],
    ['transformed twice', signRim(rimText(), { transforms: [ENVELOPED, C14N_11, C14N_11] }), 'rim_algorithm'],
    [
      'of another canonical form',
      signRim(rimText(), { canonical: 'http://www.w3.org/2001/10/xml-exc-c14n#' }),
      'rim_algorithm',
    ],
    [
      'with another transform',
      signRim(rimText(), { transforms: [ENVELOPED, 'http://www.w3.org/2001/10/xml-exc-c14n#'] }),
      'rim_algorithm',
    ],
    [
      'with another digest',
      signRim(rimText(), { digest: 'http://www.w3.org/2001/04/xmlenc#sha256' }),
      'rim_algorithm',
    ],
    ['by another algorithm', sound.replace('more#ecdsa-sha384', 'more#ecdsa-sha256'), 'rim_algorithm'],
    [
      'with a parameter of an algorithm',
      sound.replace(/(<ds:Transform Algorithm="[^"]*")\/>/, '$1><ds:XPath>self::a</ds:XPath></ds:Transform>'),
      'rim_algorithm',
    ],
    [
      'a value of another length',
      sound.replace(/(<ds:SignatureValue>).{8}/, '$1'),
      'rim_signature_structure',
    ],
    ['a value in other base64', sound.replace(/(<ds:SignatureValue>)/, '$1 '), 'rim_signature_structure'],
  ];
  it.each(cases)('%s', async (_, text, code) => {
    expect(text).not.toBe(sound);
    expect(await codeOf(judge(text))).toBe(code);
  });
});

describe('the key comes from the validated chain', () => {
  const date = new Date('2026-05-31T23:59:59Z');
  const own = { 0: strangerKey, 1: strangerKey, 2: strangerKey, 3: strangerKey };
  const cases: readonly (readonly [string, ChainChanges, RimErrorCode])[] = [
    ['another root of the same name', { keys: own }, 'rim_root_unknown'],
    ['an expired signer', { notAfter: { 0: date } }, 'rim_certificate_not_valid_then'],
    ['an expired authority', { notAfter: { 2: date } }, 'rim_certificate_not_valid_then'],
    ['an issuer that is no authority', { extensions: { 1: SIGNER } }, 'rim_chain_profile'],
    ['an authority as signer', { extensions: { 0: AUTHORITY } }, 'rim_chain_profile'],
    ['a signer without a purpose', { extensions: { 0: [] } }, 'rim_chain_profile'],
    ['a path longer than allowed', { extensions: { 2: authorityOfPath(0) } }, 'rim_chain_profile'],
    ['another issuer’s name', { issuers: { 0: 'NVIDIA Reference Value L3 GH100 002' } }, 'rim_chain_profile'],
    [
      'an issuer for another architecture',
      { names: { 1: 'NVIDIA Reference Value L3 GB100 001' } },
      'rim_chain_profile',
    ],
    [
      'a debug issuer',
      { names: { 1: 'NVIDIA Reference Value L3 GH100 001 Debug Only' } },
      'rim_chain_profile',
    ],
    ['a signer of another purpose', { names: { 0: 'HCC Something Signer' } }, 'rim_chain_profile'],
    ['a signer that a stranger certified', { wronglySigned: 0 }, 'rim_chain_signature'],
    ['an issuer that a stranger certified', { wronglySigned: 1 }, 'rim_chain_signature'],
    ['a root that did not sign itself', { wronglySigned: 3 }, 'rim_chain_signature'],
  ];
  it.each(cases)('%s', async (_, changes, code) => {
    const signer = changes.keys?.[0];
    const text = signRim(rimText(), { chain: makeChain(changes), ...(signer ? { signer } : {}) });
    expect(await codeOf(judge(text))).toBe(code);
  });

  const foreign = (text: string, keyInfo: string) =>
    text.replace(/<ds:X509Data>.*<\/ds:X509Data>/s, () => keyInfo);
  const evil = signRim(rimText(), { signer: strangerKey });
  const strangers = makeChain({ keys: { 0: strangerKey }, wronglySigned: 0 });
  const others: readonly (readonly [string, string, RimErrorCode])[] = [
    ['another key under a genuine chain', evil, 'rim_signature_invalid'],
    [
      'a bare key beside the chain',
      replaced(evil, '<ds:X509Data>', '<ds:KeyValue/><ds:X509Data>'),
      'rim_key_info',
    ],
    ['a second chain', replaced(evil, '</ds:X509Data>', '</ds:X509Data><ds:X509Data/>'), 'rim_key_info'],
    [
      'something other than certificates',
      replaced(evil, '</ds:X509Data>', '<ds:X509SKI>AA==</ds:X509SKI></ds:X509Data>'),
      'rim_key_info',
    ],
    [
      'a foreign signer before a genuine chain',
      foreign(evil, keyInfoOf([...strangers.slice(0, 1), ...makeChain()])),
      'rim_key_info',
    ],
    [
      'a foreign signer in a genuine chain',
      foreign(evil, keyInfoOf([...strangers.slice(0, 1), ...makeChain().slice(1)])),
      'rim_chain_signature',
    ],
    [
      'the chain the other way round',
      foreign(soundRim(), keyInfoOf([...makeChain()].reverse())),
      'rim_root_unknown',
    ],
    ['the root alone', foreign(soundRim(), keyInfoOf(makeChain().slice(3))), 'rim_key_info'],
    [
      'octets that are no certificate',
      foreign(soundRim(), keyInfoOf([new Uint8Array(20)])),
      'rim_certificate_malformed',
    ],
    ['no certificate', foreign(soundRim(), '<ds:X509Data></ds:X509Data>'), 'rim_key_info'],
  ];
  it.each(others)('%s', async (_, text, code) => {
    expect(await codeOf(judge(text))).toBe(code);
  });

  it('holds to the second: from notBefore to notAfter', async () => {
    const text = signRim(rimText(), { chain: makeChain({ notAfter: { 0: NOW } }) });
    expect(await codeOf(judge(text))).toBe('accepted');
    const later = { ...trust, at: new Date(NOW.getTime() + 1000) };
    expect(await codeOf(judge(text, 'rim.xml', later))).toBe('rim_certificate_not_valid_then');
    const before = { ...trust, at: new Date('2019-01-01T00:00:00Z') };
    expect(await codeOf(judge(soundRim(), 'rim.xml', before))).toBe('rim_certificate_not_valid_then');
  });

  it('NVIDIA’s own pin does not know the fixture’s root', async () => {
    const { NVIDIA_RIM_ROOTS } = await import('../../../deploy/golden-digests/nvidia-rim-root.ts');
    expect(await codeOf(judge(soundRim(), 'rim.xml', { ...trust, roots: NVIDIA_RIM_ROOTS }))).toBe(
      'rim_root_unknown',
    );
  });
});

describe('whatever is altered after signing', () => {
  const sound = soundRim();
  const cases: readonly (readonly [string, string, RimErrorCode])[] = [
    ['a measurement', replaced(sound, hashOf(0x11), hashOf(0x66)), 'rim_digest_differs'],
    ['whether one is active', replaced(sound, 'active="False"', 'active="True"'), 'rim_digest_differs'],
    ['the version', replaced(sound, '550.144.03', '550.144.04'), 'rim_digest_differs'],
    ['white space', replaced(sound, '</ns0:Payload>', ' </ns0:Payload>'), 'rim_digest_differs'],
    [
      'an added measurement',
      replaced(sound, '</ns0:Payload>', `${resource(40, [hashOf(1)])}</ns0:Payload>`),
      'rim_digest_differs',
    ],
    [
      'a prefix that now means another namespace',
      replaced(sound, 'xmlns:ns2="http', 'xmlns:ns2="x-http'),
      'rim_signature_invalid',
    ],
    [
      'a default namespace',
      sound.replace('<SoftwareIdentity xmlns="http', '<SoftwareIdentity xmlns="x-http'),
      'rim_signature_invalid',
    ],
    [
      'a namespace that nothing uses',
      replaced(sound, ' corpus=', ' xmlns:a="b:c" corpus='),
      'rim_signature_invalid',
    ],
    [
      'a namespace on a measurement',
      replaced(sound, '<ns0:Resource', '<ns0:Resource xmlns:ns2="b:c"'),
      'rim_digest_differs',
    ],
    ['the digest', sound.replace(/(<ds:DigestValue>)..../, '$1AAAA'), 'rim_signature_invalid'],
    ['the signature', sound.replace(/(<ds:SignatureValue>)..../, '$1AAAA'), 'rim_signature_invalid'],
  ];
  it.each(cases)('%s', async (_, text, code) => {
    expect(text).not.toBe(sound);
    // SignedInfo inherits the namespaces of the root, so that for those its signature breaks first.
    expect(await codeOf(judge(text))).toBe(code);
  });

  it('one bit of the document outside its certificates, every 41 octets', async () => {
    const octets = toUtf8(sound);
    const end = sound.indexOf('<ds:KeyInfo>');
    for (let at = 0; at < end; at += 41) {
      const copy = octets.slice();
      copy[at] = (copy[at] as number) ^ 1;
      const code = await codeOf(makeGoldenValues([{ name: 'rim.xml', octets: copy }], trust));
      expect(code, `octet ${at}`).not.toBe('accepted');
    }
  });
});

describe('signed content that a manifest cannot take', () => {
  const of = (...resources: string[]) => rimText({ resources: [...RESOURCES, ...resources] });
  const one = hashOf(1);
  const cases: readonly (readonly [string, string, RimErrorCode])[] = [
    ['an active index twice', of(resource(7, [hashOf(0x66)])), 'rim_index_twice'],
    ['an index active and not', of(resource(8, [one])), 'rim_index_twice'],
    ['an index twice in other digits', of(resource(7, [one], { index: '07' })), 'rim_content_malformed'],
    ['an index beyond a report', of(resource(64, [one])), 'rim_content_malformed'],
    ['an active index without alternatives', of(resource(30, [])), 'rim_no_alternative'],
    ['alternatives announced but absent', of(resource(30, [], { alternatives: '1' })), 'rim_no_alternative'],
    [
      'fewer alternatives than announced',
      of(resource(30, [one], { alternatives: '2' })),
      'rim_content_malformed',
    ],
    [
      'more alternatives than announced',
      of(resource(30, [one, one], { alternatives: '1' })),
      'rim_content_malformed',
    ],
    [
      'a gap between alternatives',
      of(resource(30, [one], { alternatives: '2', 'ns2:Hash2': one })),
      'rim_content_malformed',
    ],
    ['hashes of unequal size', of(resource(30, [one, 'ab'])), 'rim_hash_size'],
    ['another size than it says', of(resource(30, [one], { size: '32' })), 'rim_hash_size'],
    ['a hash that is not hex', of(resource(30, ['zz'.repeat(48)])), 'rim_content_malformed'],
    [
      'a hash without its namespace',
      of(resource(30, [], { alternatives: '1', Hash0: one })),
      'rim_content_malformed',
    ],
    [
      'a hash of another namespace',
      of(resource(30, [], { alternatives: '1', 'ns0:Hash0': one })),
      'rim_content_malformed',
    ],
    [
      'a hash twice under two prefixes',
      of(resource(30, [one], { 'SHA384:Hash0': hashOf(2) })),
      'rim_content_malformed',
    ],
    ['active in other words', of(resource(30, [one], { active: 'true' })), 'rim_content_malformed'],
    ['another type', of(resource(30, [one], { type: 'File' })), 'rim_content_malformed'],
    ['nothing active', rimText({ resources: [RESOURCES[1] as string] }), 'rim_content_malformed'],
    ['something else in the payload', of('<ns0:File name="a"/>'), 'rim_content_malformed'],
    ['a measurement of another namespace', of('<Resource xmlns="a:b"/>'), 'rim_content_malformed'],
    ['text in the payload', of('text'), 'rim_content_malformed'],
    [
      'a second payload',
      rimText().replace('</ns0:Payload>', '</ns0:Payload><ns0:Payload/>'),
      'rim_content_malformed',
    ],
    ['a patch', rimText().replace('patch="false"', 'patch="true"'), 'rim_content_malformed'],
    ['another document', '<a><b/></a>', 'rim_content_malformed'],
    ['another product', rimText({ product: 'GB100' }), 'rim_product'],
    ['neither driver nor VBIOS', rimText({ version: 'r1' }), 'rim_version'],
    ['a VBIOS under a driver’s name', rimText({ version: '96.00.9F.00.01' }), 'rim_board_unknown'],
  ];
  it.each(cases)('%s', async (_, text, code) => {
    expect(await codeOf(judge(signRim(text)))).toBe(code);
  });

  it('a name that says another version', async () => {
    const driver = signRim(rimText());
    const vbios = signRim(rimText({ version: '96.00.9F.00.01' }));
    expect(await codeOf(judge(driver, 'NV_GPU_DRIVER_GH100_550.144.03.xml'))).toBe('accepted');
    expect(await codeOf(judge(driver, 'NV_GPU_DRIVER_GH100_580.95.05.xml'))).toBe('rim_version');
    expect(await codeOf(judge(driver, 'NV_GPU_VBIOS_1010_0210_886_96009F0001.xml'))).toBe('rim_version');
    expect(await codeOf(judge(vbios, 'NV_GPU_VBIOS_1010_0210_886_96009F0002.xml'))).toBe('rim_version');
  });

  it('files that contradict each other', async () => {
    const file = (text: string, name = 'rim.xml') => ({ name, octets: toUtf8(signRim(text)) });
    const driver = file(rimText());
    const vbios = (resources: readonly string[]) =>
      file(rimText({ version: '96.00.9F.00.01', resources }), 'NV_GPU_VBIOS_1010_0210_886_96009F0001');
    expect(await codeOf(makeGoldenValues([driver, vbios([resource(1, [one])])], trust))).toBe('accepted');
    expect(await codeOf(makeGoldenValues([driver, vbios([resource(7, [one])])], trust))).toBe(
      'rim_block_conflict',
    );
    expect(await codeOf(makeGoldenValues([driver, driver], trust))).toBe('rim_given_twice');
  });
});
