/** README of the chart: what to do, and every value. */
import type { ChartValue } from './chart-values.ts';

/** @param values as `readValues` gives them */
export function chartReadme(values: readonly ChartValue[]): string {
  const sections = [...new Set(values.map(({ section }) => section))];
  const tables = sections.map((section) => `### ${section}\n\n| value | default | what |\n|---|---|---|\n${values.filter((value) => value.section === section).map(row).join('\n')}\n`);
  return `${HEAD}\n## Values\n\n${tables.join('\n')}`;
}

function row({ path, description, default: value }: ChartValue): string {
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  return `| \`${path}\` | ${shown === '' ? '' : shown.length > 60 ? 'see values.yaml' : `\`${escaped(shown)}\``} | ${escaped(description)} |`;
}

const escaped = (text: string): string => text.replaceAll('|', '\\|');

const HEAD = `<!-- Generated from values.yaml by "make generate"; do not edit. -->
# Chart lablet-controller

Installs the controller, its six kinds and all that belongs to them. A cluster has one installation, since Labs, Workers and their templates have no namespace; so all names are fixed.

\`\`\`sh
helm install lablet-controller charts/lablet-controller --namespace lablet-system --create-namespace --values my-values.yaml
helm test lablet-controller --namespace lablet-system
\`\`\`

Kubernetes 1.32 or later. \`helm install\` refuses values that do not fit together and says what to do; \`values.schema.json\` refuses names that are not in the table below.

## Upgrade

\`helm upgrade\` brings the kinds up to date with the program. A pod that is replaced first leaves the Service, then ends what it has begun; live sessions go on. Kinds that somebody applied by kubectl before belong to no release: give \`--take-ownership --force-conflicts\` once.

## Uninstall

Objects of our kinds carry finalizers, which the controller removes once it has cleaned up behind them. So they go first, while it runs:

\`\`\`sh
kubectl delete labletsessions,labletdefinitions --all --all-namespaces
kubectl delete labs,workers,workertemplates --all
helm uninstall lablet-controller --namespace lablet-system
\`\`\`

The kinds stay, and with them ScoreReports and whatever else was not deleted. A later \`helm install\` with the same name and namespace takes them up again; under another name or namespace it needs \`--take-ownership\`. To remove them, and every object of theirs:

\`\`\`sh
kubectl delete crd --selector app.kubernetes.io/name=lablet-controller
\`\`\`

Claims of \`persistence\` and the Lease stay too.
`;
