/** What the variables of the ingest endpoint must be together. */
import { z } from 'zod';
import { CONSUMED_TYPES, isConsumedType } from '../api/consumed.ts';
import type { ConsumedType } from '../api/consumed.ts';

/** `alias=type, alias=type`: types of senders' own that mean one of ours (contract §10.2). */
export const typeAliases = z.string().transform((text, context) => {
  const aliases = new Map<string, ConsumedType>();
  for (const pair of text.split(',').map((item) => item.trim()).filter(Boolean)) {
    const [alias = '', type = '', ...more] = pair.split('=').map((part) => part.trim());
    if (alias === '' || more.length > 0 || !isConsumedType(type)) context.addIssue(`"${pair}" is no alias; write ALIAS=TYPE, TYPE being one of ${CONSUMED_TYPES.join(', ')}`);
    else if (isConsumedType(alias) || aliases.has(alias)) context.addIssue(`"${alias}" has a meaning already`);
    else aliases.set(alias, type);
  }
  return aliases;
}).default(new Map());

export interface IngestVariables {
  readonly INGEST_AUTH: 'none' | 'token' | 'secret' | 'mtls';
  readonly INGEST_AUDIENCE?: string | undefined;
  readonly INGEST_ALLOWED_SUBJECTS: readonly string[];
  readonly INGEST_SECRET?: string | undefined;
  readonly INGEST_TLS_CERT?: string | undefined;
  readonly INGEST_TLS_KEY?: string | undefined;
  readonly INGEST_CLIENT_CA?: string | undefined;
}

type Name = Exclude<keyof IngestVariables, 'INGEST_AUTH'>;

/** What goes with INGEST_AUTH: the variables that it needs, and what to write there. */
const NEEDS: Readonly<Record<IngestVariables['INGEST_AUTH'], Partial<Record<Name, string>>>> = {
  none: {},
  token: {
    INGEST_AUDIENCE: 'the audience that senders ask their tokens for',
    INGEST_ALLOWED_SUBJECTS: 'who may send, e.g. system:serviceaccount:exams:* (every pod can get a token for any audience)',
  },
  secret: { INGEST_SECRET: 'the path of a file with the secret' },
  mtls: { INGEST_CLIENT_CA: 'the path of a file with the authorities of client certificates, PEM', INGEST_TLS_CERT: 'the path of the server certificate, PEM', INGEST_TLS_KEY: 'the path of its key, PEM' },
};
/** Where a variable has a meaning. Elsewhere it is a mistake: somebody believes that senders are checked by it. */
const MEANT_FOR: Partial<Record<Name, readonly IngestVariables['INGEST_AUTH'][]>> = {
  INGEST_AUDIENCE: ['token'],
  INGEST_ALLOWED_SUBJECTS: ['token', 'mtls'],
  INGEST_SECRET: ['secret'],
  INGEST_CLIENT_CA: ['mtls'],
};

/** Every mistake, in words that say what to do. */
export function ingestProblems(config: IngestVariables): string[] {
  const auth = config.INGEST_AUTH;
  const isGiven = (name: Name): boolean => config[name] !== undefined && config[name].length > 0;
  const missing = (Object.entries(NEEDS[auth]) as [Name, string][]).filter(([name]) => !isGiven(name)).map(([name, what]) => `INGEST_AUTH=${auth} needs ${name}: ${what}`);
  const idle = (Object.entries(MEANT_FOR) as [Name, readonly string[]][]).filter(([name, auths]) => isGiven(name) && !auths.includes(auth))
    .map(([name, auths]) => `${name} does nothing with INGEST_AUTH=${auth}: it is for ${auths.join(' and ')}`);
  const half = auth !== 'mtls' && isGiven('INGEST_TLS_CERT') !== isGiven('INGEST_TLS_KEY') ? ['INGEST_TLS_CERT and INGEST_TLS_KEY go together'] : [];
  return [...missing, ...idle, ...half];
}
