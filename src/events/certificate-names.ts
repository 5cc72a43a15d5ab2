/** The names of a client certificate by which it can be allowed. */
import type { PeerCertificate } from 'node:tls';

/** Common names, DNS names and URIs (of a SPIFFE identity, for instance). Empty if the names cannot be read. */
export function certificateNames(certificate: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): string[] {
  const { CN } = certificate.subject as { CN?: string | string[] };
  const alternative = alternativeNames(certificate.subjectaltname ?? '');
  if (alternative === undefined) return [];
  return [...(CN === undefined ? [] : [CN].flat()), ...alternative.filter(([kind]) => kind === 'DNS' || kind === 'URI').map(([, name]) => name)];
}

/**
 * Node gives them as text, `DNS:a, URI:b`, with a name that holds special characters as a JSON string. It is read from
 * its begin, name by name: a search could find a `, DNS:` inside of a name that somebody chose so.
 */
function alternativeNames(text: string): [kind: string, name: string][] | undefined {
  const next = /([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  const names: [string, string][] = [];
  while (next.lastIndex < text.length) {
    const match = next.exec(text);
    if (match === null) return undefined;
    const [, kind = '', name = ''] = match;
    names.push([kind, name.startsWith('"') ? (JSON.parse(name) as string) : name]);
  }
  return names;
}
