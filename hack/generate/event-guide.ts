/** The tables and examples in docs/events.md, from the catalogue; the text around them is written by hand. */
import { readFileSync } from 'node:fs';
import { dataSchema, dataSchemaUri } from '../../src/api/event-schemas.ts';
import { CONSUMED, CONSUMED_TYPES, EMITTED, EMITTED_TYPES, SOURCE } from '../../src/api/events.ts';
import { LABLET_SESSIONS } from '../../src/api/kinds.ts';
import { isForSinks } from '../../src/api/outbox.ts';
import { recordEvent } from '../../src/core/outbox.ts';
import { TABLE } from '../../src/core/session/table.ts';
import { isUp } from '../../src/core/worker-situation.ts';
import { WORKER_TABLE } from '../../src/core/worker-table.ts';
import { encodeEvent } from '../../src/events/codec.ts';
import { envelope } from '../../src/events/envelope.ts';
import type { EventType, JsonSchema } from '../../src/api/event-schemas.ts';
import type { EmittedType } from '../../src/api/events.ts';
import type { WorkerPhase } from '../../src/api/worker.ts';
import type { OutboxDraft } from '../../src/core/outbox.ts';
import type { CloudEvent } from '../../src/events/cloudevent.ts';
import type { Generator } from './output.ts';

const GUIDE = 'docs/events.md';

/** What stands between `<!-- generated: NAME -->` and `<!-- end -->`. */
const REGIONS: Readonly<Record<string, () => string>> = { emitted, consumed, binary, structured, keys };

export const eventGuide: Generator = {
  name: 'events guide',
  files: () => new Map([[GUIDE, filled(readFileSync(new URL(`../../${GUIDE}`, import.meta.url), 'utf8'))]]),
};

/** @throws Error if a region of the guide has no source, or the other way round */
function filled(guide: string): string {
  const seen = new Set<string>();
  const text = guide.replaceAll(/(<!-- generated: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, head: string, name: string, tail: string) => {
    const region = REGIONS[name];
    if (!region) throw new Error(`${GUIDE} has a region "${name}" that nothing makes`);
    seen.add(name);
    return `${head}${region()}\n${tail}`;
  });
  const missing = Object.keys(REGIONS).filter((name) => !seen.has(name));
  if (missing.length > 0) throw new Error(`${GUIDE} lacks the regions ${missing.join(', ')}`);
  return text;
}

function emitted(): string {
  const lines = EMITTED_TYPES.map((type) => `| [\`${type}\`](#${anchor(type)}) | ${EMITTED[type].emitter} | ${when(type)} | ${keysOf(type, true)} | ${keysOf(type, false)} |`);
  return ['| type | about | when | always | where known |', '|---|---|---|---|---|', ...lines].join('\n');
}

/** The meaning, and for what a row of a lifecycle records, the rows. */
function when(type: EmittedType): string {
  const all = EMITTED[type].emitter === 'Worker' ? WORKER_TABLE.filter(({ from, to, trigger }) => !trigger.startsWith('static:') && tells(type, from, to)) : TABLE.filter(({ events }) => events.includes(type));
  const rows = [...new Set<string>(all.map(({ row }) => row))].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  return rows.length === 0 ? EMITTED[type].summary : `${EMITTED[type].summary} (${rows.join(', ')})`;
}

/** Which changes of its phase a worker tells of: the start of a drain, and a machine that comes up or goes down. */
function tells(type: EmittedType, from: WorkerPhase | null, to: WorkerPhase): boolean {
  if (type === 'ccm.worker.draining') return to === 'Draining';
  return isUp(from) !== isUp(to) && isUp(to) === (type === 'ccm.worker.scaling.up');
}

function consumed(): string {
  const lines = CONSUMED_TYPES.map((type) => `| [\`${type}\`](#${anchor(type)}) | ${CONSUMED[type].sender} | ${CONSUMED[type].summary} | ${[keysOf(type, true), keysOf(type, false)].filter(Boolean).join(', ')} |`);
  return ['| type | sender | what it says | data |', '|---|---|---|---|', ...lines].join('\n');
}

function keys(): string {
  const section = (type: EventType): string => [
    `### \`${type}\``, '', `\`dataschema: ${dataSchemaUri(type)}\``, '',
    '| key | | type | meaning |', '|---|---|---|---|',
    ...Object.entries(propertiesOf(dataSchema(type))).map(([key, schema]) => `| \`${key}\` | ${isRequired(dataSchema(type), key) ? 'always' : ''} | ${typeOf(schema)} | ${typeof schema['description'] === 'string' ? schema['description'] : ''} |`),
  ].join('\n');
  return [...EMITTED_TYPES, ...CONSUMED_TYPES].map(section).join('\n\n');
}

/** The `#…` that GitHub makes of a heading in code font. */
const anchor = (type: string): string => type.replaceAll('.', '');

const keysOf = (type: EventType, required: boolean): string =>
  Object.keys(propertiesOf(dataSchema(type))).filter((key) => isRequired(dataSchema(type), key) === required).map((key) => `\`${key}\``).join(', ');

const propertiesOf = (schema: JsonSchema): Record<string, JsonSchema> => (schema['properties'] ?? {}) as Record<string, JsonSchema>;
const isRequired = (schema: JsonSchema, key: string): boolean => ((schema['required'] ?? []) as string[]).includes(key);

function typeOf(schema: JsonSchema): string {
  const options = schema['anyOf'] as JsonSchema[] | undefined;
  if (options) return options.map(typeOf).join(' or ');
  if (schema['enum'] !== undefined) return (schema['enum'] as string[]).map((value) => `\`${value}\``).join(', ');
  if (schema['format'] === 'date-time') return 'time';
  if (schema['type'] === 'array') return `list of ${typeOf(schema['items'] as JsonSchema)}`;
  if (schema['type'] === 'object' && schema['properties'] !== undefined) return `object of ${Object.keys(propertiesOf(schema)).map((key) => `\`${key}\``).join(', ')}`;
  if (schema['type'] === 'object') return `map of ${typeOf(schema['additionalProperties'] as JsonSchema)}`;
  return [schema['type']].flat().join(' or ');
}

/** The example is made by the code that makes the real ones. */
function example(): CloudEvent {
  const uid = '6f0c1c52-2c0e-4a5e-9f6e-0d8f4c3b2a10';
  const status: OutboxDraft = { sequence: 5 };
  recordEvent(status, 'ccm.lablet.session.running', {
    session_id: uid, user_session_id: 'f2b6a1de-8f7f-5c57-9d0e-41f0a9a5c3e1', started_at: '2026-11-23T10:01:12Z', cml_lab_id: '9d4f2a31-7a10-4b59-8f1c-5f0f3b8a7c22',
  }, { uid, now: new Date('2026-11-23T10:01:12Z'), causationId: 'evt-lds-start-1' });
  const entry = status.outbox?.find(isForSinks);
  if (!entry) throw new Error('the example was not recorded');
  const session = { apiVersion: '', kind: '', metadata: { namespace: 'exams', name: 'cand-0042', uid, resourceVersion: '', creationTimestamp: '' } };
  return envelope(entry, session, LABLET_SESSIONS, SOURCE, null);
}

function binary(): string {
  const { headers, body } = encodeEvent(example(), 'binary');
  return ['```http', 'POST / HTTP/1.1', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', Buffer.from(body ?? []).toString(), '```'].join('\n');
}

function structured(): string {
  const { headers, body } = encodeEvent(example(), 'structured');
  return ['```http', 'POST / HTTP/1.1', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', JSON.stringify(JSON.parse(Buffer.from(body ?? []).toString()), null, 2), '```'].join('\n');
}
