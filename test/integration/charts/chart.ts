/** The chart as the real Helm renders it. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { helmFor, helmProgram } from '../../../hack/helm/helm.ts';
import type { Helm } from '../../../hack/helm/helm.ts';

export const CHART = resolve(import.meta.dirname, '../../../charts/lablet-controller');
export const EVERYTHING_ON = ['--values', join(CHART, 'ci/everything-on-values.yaml')];
/** The first run on a machine builds Helm. */
export const HELM_BUILD_MS = 900_000;

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: unknown;
  readonly rules?: unknown;
}

/** Helm without a cluster. */
export async function offlineHelm(): Promise<Helm> {
  const program = await helmProgram(process.env, (line) => void process.stderr.write(`Helm for tests: ${line}\n`));
  return helmFor({ program, home: await mkdtemp(join(tmpdir(), 'lablet-helm-')) });
}

/** Without the kinds, which are nine tenths of the text and the same whatever the values are. */
export const WITHOUT_KINDS = ['--set', 'crds.install=false'];

/** What `helm install` would apply, with the objects of its hooks. @throws HelmError if the values are refused */
export async function render(helm: Helm, args: readonly string[] = [], namespace = 'lablet-system'): Promise<Manifest[]> {
  const text = await helm(['template', 'lablet-controller', CHART, '--namespace', namespace, ...args]);
  return parseAllDocuments(text, { version: '1.1' }).map((document) => document.toJS() as Manifest | null).filter((object) => object !== null);
}

/** The one object of a kind, or of a kind and a name. */
export function only(objects: readonly Manifest[], kind: string, name?: string): Manifest {
  const [found, ...more] = objects.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name));
  if (found === undefined || more.length > 0) throw new Error(`${found === undefined ? 'no' : 'more than one'} ${kind} ${name ?? ''}`);
  return found;
}

interface Variable {
  readonly name: string;
  readonly value?: string;
}

export interface PodSpec {
  readonly containers: readonly [{ readonly env: readonly Variable[]; readonly ports: readonly { name: string; containerPort: number }[] }];
  readonly [field: string]: unknown;
}

/** The pods that the Deployment makes. */
export function podTemplate(objects: readonly Manifest[]): { metadata: Manifest['metadata']; spec: PodSpec } {
  return (only(objects, 'Deployment').spec as { template: { metadata: Manifest['metadata']; spec: PodSpec } }).template;
}

/** The environment of the program; what comes from a Secret or the pod itself has `else` as its value. */
export function environment(objects: readonly Manifest[], elsewhere = 'name=value'): Record<string, string> {
  return Object.fromEntries(podTemplate(objects).spec.containers[0].env.map(({ name, value }) => [name, value ?? elsewhere]));
}
