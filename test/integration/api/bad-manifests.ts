/** What people get wrong, and what the API server tells them, word for word. */
import { definition, lab, report, session, template, worker } from './manifests.ts';
import type { Manifest } from './manifests.ts';

export interface BadManifest {
  /** What is wrong, in words. */
  readonly mistake: string;
  readonly manifest: Manifest;
  /** All that kubectl prints on standard error. */
  readonly says: string;
}

const UNCHECKED = '* <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
const subject = ({ kind, metadata }: Manifest) => `The ${kind} "${metadata.name}" is invalid: `;

/** A value that is well formed and still cannot be. */
const rule = (mistake: string, manifest: Manifest, cause: string): BadManifest => ({ mistake, manifest, says: subject(manifest) + cause });
/** An object of the wrong shape: the API server says so, and that it did not look further. */
const shape = (mistake: string, manifest: Manifest, cause: string): BadManifest => ({ mistake, manifest, says: `${subject(manifest)}\n* ${cause}\n${UNCHECKED}` });
/** An object that could not even be read. */
const unreadable = (mistake: string, manifest: Manifest, says: string): BadManifest => ({ mistake, manifest, says });

const RESOURCES = { cpu: '4', memory: '6Gi', storage: '40Gi' };
const slot = (start?: string, end?: string) => ({ timeslot: { start, end } });
const long = (length: number) => 'x'.repeat(length);
const image = (image: object) => definition({ images: [image] });
const patch = (step: object) => definition({ pipelines: { instantiate: { insertAfter: { lab_start: [step] } } } });

const DEFINITIONS = [
  shape('no version', definition({ version: undefined }), 'spec.version: Required value'),
  rule('a version of two numbers', definition({ version: '1.2' }), 'spec.version: Invalid value: "1.2": must be a semantic version MAJOR.MINOR.PATCH such as 1.2.0 or 1.3.0-rc.1, without build metadata'),
  rule('a version with a leading zero', definition({ version: '01.2.0' }), 'spec.version: Invalid value: "01.2.0": must be a semantic version MAJOR.MINOR.PATCH such as 1.2.0 or 1.3.0-rc.1, without build metadata'),
  rule('a version with build metadata', definition({ version: '1.2.0+build.7' }), 'spec.version: Invalid value: "1.2.0+build.7": must be a semantic version MAJOR.MINOR.PATCH such as 1.2.0 or 1.3.0-rc.1, without build metadata'),
  rule('a version with a v', definition({ version: 'v1.2.0' }), 'spec.version: Invalid value: "v1.2.0": must be a semantic version MAJOR.MINOR.PATCH such as 1.2.0 or 1.3.0-rc.1, without build metadata'),
  shape('a version that YAML reads as a number', definition({ version: 1.2 }), 'spec.version: Invalid value: "number": spec.version in body must be of type string: "number"'),
  shape('no topology', definition({ topology: undefined }), 'spec.topology: Required value'),
  rule('a topology without a source', definition({ topology: {} }), 'spec.topology: Invalid value: set exactly one of topology.inline, topology.configMapRef, topology.uri'),
  rule('a topology with two sources', definition({ topology: { inline: 'lab: {}', uri: 'https://example.org/lab.yaml' } }), 'spec.topology: Invalid value: set exactly one of topology.inline, topology.configMapRef, topology.uri'),
  rule('an empty inline topology', definition({ topology: { inline: '' } }), 'spec.topology.inline: Invalid value: "": spec.topology.inline in body should be at least 1 chars long'),
  shape('an inline topology above 128 KiB', definition({ topology: { inline: long(131_073) } }), 'spec.topology.inline: Too long: may not be more than 131072 bytes'),
  shape('a ConfigMap reference without a key', definition({ topology: { configMapRef: { name: 'campus-edge' } } }), 'spec.topology.configMapRef.key: Required value'),
  rule('a URI with a scheme that we do not read', definition({ topology: { uri: 'ftp://example.org/lab.yaml' } }), 'spec.topology.uri: Invalid value: "ftp://example.org/lab.yaml": must be a URI that begins with http://, https:// or s3://'),
  rule('a digest that is too short', definition({ topology: { uri: 'https://example.org/lab.yaml', sha256: 'abc123' } }), 'spec.topology.sha256: Invalid value: "abc123": must be a SHA-256 as 64 lower case hexadecimal digits'),
  rule('content that is fixed and watched', definition({ topology: { uri: 'https://example.org/lab.yaml', sha256: 'a'.repeat(64), refreshInterval: '10m' } }), 'spec.topology: Invalid value: set topology.sha256 (fixed content) or topology.refreshInterval (watched content), not both'),
  rule('content watched too often', definition({ topology: { uri: 'https://example.org/lab.yaml', refreshInterval: '1s' } }), 'spec.topology: Invalid value: topology.refreshInterval must be at least 10s'),
  shape('no memory', definition({ resources: { cpu: '4', storage: '40Gi' } }), 'spec.resources.memory: Required value'),
  rule('memory in words', definition({ resources: { ...RESOURCES, memory: 'six gigabytes' } }), 'spec.resources.memory: Invalid value: "six gigabytes": must be a Kubernetes quantity that is not negative, such as "4", 500m or 6Gi'),
  rule('negative CPUs', definition({ resources: { ...RESOURCES, cpu: '-4' } }), 'spec.resources.cpu: Invalid value: "-4": must be a Kubernetes quantity that is not negative, such as "4", 500m or 6Gi'),
  shape('a licence that does not exist', definition({ licenseAffinity: ['Corporate'] }), 'spec.licenseAffinity[0]: Unsupported value: "Corporate": supported values: "Personal", "Enterprise", "Evaluation"'),
  rule('a licence twice', definition({ licenseAffinity: ['Personal', 'Personal'] }), 'spec.licenseAffinity[1]: Duplicate value: "Personal"'),
  rule('two ports of one name', definition({ ports: [{ name: 'r1', node: 'r1', protocol: 'serial' }, { name: 'r1', node: 'r2', protocol: 'serial' }] }), 'spec.ports[1]: Duplicate value: {"name":"r1"}'),
  shape('a protocol that CML does not open', definition({ ports: [{ name: 'r1', node: 'r1', protocol: 'gopher' }] }), 'spec.ports[0].protocol: Unsupported value: "gopher": supported values: "serial", "vnc", "ssh", "telnet", "tcp", "http", "https", "pat"'),
  shape('more than 50 ports', definition({ ports: Array.from({ length: 51 }, (_, n) => ({ name: `p${n}`, node: 'r1', protocol: 'tcp' })) }), 'spec.ports: Too many: 51: must have at most 50 items'),
  shape('grading without rules', definition({ grading: { cutScore: 60 } }), 'spec.grading.rulesUri: Required value'),
  rule('a cut score below zero', definition({ grading: { rulesUri: 's3://rules/grade.xml', cutScore: -1 } }), 'spec.grading.cutScore: Invalid value: -1: spec.grading.cutScore in body should be greater than or equal to 0'),
  shape('an unknown reaction to failed grading', definition({ grading: { rulesUri: 's3://rules/grade.xml', onFailure: 'Ignore' } }), 'spec.grading.onFailure: Unsupported value: "Ignore": supported values: "Stop", "Hold", "Retry"'),
  shape('no maximum duration', definition({ maxDuration: undefined }), 'spec.maxDuration: Required value'),
  rule('a duration in words', definition({ maxDuration: 'two hours' }), 'spec.maxDuration: Invalid value: "two hours": must be a duration such as 90m, 1h30m or 20s'),
  rule('a duration in ISO 8601', definition({ maxDuration: 'PT2H' }), 'spec.maxDuration: Invalid value: "PT2H": must be a duration such as 90m, 1h30m or 20s'),
  rule('a duration above a day', definition({ maxDuration: '25h' }), 'spec.maxDuration: Invalid value: "25h": maxDuration must be between 1m and 24h'),
  rule('a duration below a minute', definition({ maxDuration: '30s' }), 'spec.maxDuration: Invalid value: "30s": maxDuration must be between 1m and 24h'),
  rule('a warm pool below zero', definition({ warmPool: { size: -1 } }), 'spec.warmPool.size: Invalid value: -1: spec.warmPool.size in body should be greater than or equal to 0'),
  rule('a device named twice', definition({ devices: [{ label: 'r1' }, { label: 'r1' }] }), 'spec.devices[1]: Duplicate value: {"label":"r1"}'),
  rule('a CML version of one number', image({ cmlVersionMin: '2' }), 'spec.images[0].cmlVersionMin: Invalid value: "2": must be a CML version such as 2.9 or 2.9.0'),
  rule('a CML version that is a glob', image({ cmlVersionMin: '2.x' }), 'spec.images[0].cmlVersionMin: Invalid value: "2.x": must be a CML version such as 2.9 or 2.9.0'),
  rule('a pipeline step without attempts', patch({ name: 'warm_up', maxAttempts: 0 }), 'spec.pipelines.instantiate.insertAfter.lab_start[0].maxAttempts: Invalid value: 0: spec.pipelines.instantiate.insertAfter.lab_start[0].maxAttempts in body should be greater than or equal to 1'),
  unreadable('a misspelt field', definition({ maxduration: '2h' }), 'Error from server (BadRequest): error when creating "STDIN": LabletDefinition in version "v1alpha1" cannot be handled as a LabletDefinition: strict decoding error: unknown field "spec.maxduration"'),
  rule('a name too long for a label', definition({}, long(64)), '<nil>: Invalid value: metadata.name must be at most 63 characters long, since it is used as a label value'),
];

const SESSIONS = [
  shape('no definition', session({ definitionRef: undefined }), 'spec.definitionRef: Required value'),
  rule('a definition with capitals', session({ definitionRef: { name: 'Campus_Edge' } }), 'spec.definitionRef.name: Invalid value: "Campus_Edge": must be the name of an object: lower case letters, digits, "-" and ".", beginning and ending with a letter or digit'),
  rule('a definition version of two numbers', session({ definitionRef: { name: 'campus-edge', version: '1.2' } }), 'spec.definitionRef.version: Invalid value: "1.2": must be a semantic version MAJOR.MINOR.PATCH such as 1.2.0 or 1.3.0-rc.1, without build metadata'),
  shape('no owner', session({ owner: undefined }), 'spec.owner: Required value'),
  rule('an empty owner', session({ owner: '' }), 'spec.owner: Invalid value: "": spec.owner in body should be at least 1 chars long'),
  rule('a slot that ends before it starts', session(slot('2026-11-23T11:30:00Z', '2026-11-23T10:00:00Z')), 'spec.timeslot: Invalid value: timeslot.start must be before timeslot.end'),
  rule('a slot of no length', session(slot('2026-11-23T10:00:00Z', '2026-11-23T10:00:00Z')), 'spec.timeslot: Invalid value: timeslot.start must be before timeslot.end'),
  rule('an end without a start', session(slot(undefined, '2026-11-23T11:30:00Z')), 'spec: Invalid value: timeslot.end needs timeslot.start; leave the timeslot out to start as soon as possible'),
  shape('a start in words', session(slot('tomorrow')), 'spec.timeslot.start: Invalid value: "tomorrow": spec.timeslot.start in body must be of type date-time: "tomorrow"'),
  shape('a start without a time zone', session(slot('2026-11-23T10:00:00')), 'spec.timeslot.start: Invalid value: "2026-11-23T10:00:00": spec.timeslot.start in body must be of type date-time: "2026-11-23T10:00:00"'),
  shape('an unknown desired state', session({ desiredState: 'Paused' }), 'spec.desiredState: Unsupported value: "Paused": supported values: "Active", "Ended", "Terminated"'),
  shape('an unknown admission', session({ admission: 'Overbook' }), 'spec.admission: Unsupported value: "Overbook": supported values: "Queue", "Strict"'),
  shape('a spec that is missing', { ...session(), spec: undefined } as unknown as Manifest, 'spec: Required value'),
];

const HOSTS = [
  rule('a static worker without an endpoint', worker({ endpoint: undefined }), 'spec: Invalid value: a static worker needs endpoint, the URL of its CML host'),
  rule('an endpoint without a scheme', worker({ endpoint: 'cml-01.example.org' }), 'spec.endpoint: Invalid value: "cml-01.example.org": must be the URL of a CML host such as https://cml-01.example.org'),
  rule('an endpoint that was not filled in', worker({ endpoint: '${CML_URL}' }), 'spec.endpoint: Invalid value: "${CML_URL}": must be the URL of a CML host such as https://cml-01.example.org'),
  rule('an EC2 worker with an endpoint', worker({ provider: 'ec2' }), 'spec: Invalid value: an ec2 worker finds its own address: leave endpoint out'),
  rule('a static worker with an instance', worker({ instanceId: 'i-0123456789abcdef0' }), 'spec: Invalid value: a static worker is no EC2 instance: leave instanceId out'),
  shape('an unknown provider', worker({ provider: 'azure' }), 'spec.provider: Unsupported value: "azure": supported values: "static", "ec2"'),
  shape('no template', worker({ templateName: undefined }), 'spec.templateName: Required value'),
  rule('a port range that ends before it starts', worker({ overrides: { portRange: { start: 7000, end: 6000 } } }), 'spec.overrides.portRange: Invalid value: portRange must lie within 2000 and 9999, start not after end; it must match the PATty window of the CML image'),
  rule('ports outside of what CML can open', template({ portRange: { start: 1024, end: 7999 } }), 'spec.portRange: Invalid value: portRange must lie within 2000 and 9999, start not after end; it must match the PATty window of the CML image'),
  rule('more workers at least than at most', template({ minWorkers: 5, maxWorkers: 2 }), 'spec: Invalid value: minWorkers must not be greater than maxWorkers'),
  rule('an EC2 template without a region', template({ provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cisco-cml2.9*' }), 'spec: Invalid value: an ec2 template needs instanceType, imagePattern and region'),
  shape('capacity without storage', template({ capacity: { cpu: '16', memory: '64Gi' } }), 'spec.capacity.storage: Required value'),
  rule('a cost with a currency', template({ costPerHour: '3.96 USD' }), 'spec.costPerHour: Invalid value: "3.96 USD": must be a decimal number in quotes such as "3.9641"'),
  rule('no room for a node', template({ maxNodes: 0 }), 'spec.maxNodes: Invalid value: 0: spec.maxNodes in body should be greater than or equal to 1'),
];

const RECORDS = [
  rule('a lab on port 0', lab({ ports: [{ name: 'r1', node: 'r1', protocol: 'serial', number: 0 }] }), 'spec.ports[0].number: Invalid value: 0: spec.ports[0].number in body should be greater than or equal to 1'),
  shape('a lab title that CML would refuse', lab({ title: long(65) }), 'spec.title: Too long: may not be more than 64 bytes'),
  rule('a score above the maximum', report({ score: 101 }), 'spec: Invalid value: score must not be greater than maxScore'),
  shape('a score without a verdict', report({ passed: undefined }), 'spec.passed: Required value'),
];

export const BAD_MANIFESTS: readonly BadManifest[] = [...DEFINITIONS, ...SESSIONS, ...HOSTS, ...RECORDS];
