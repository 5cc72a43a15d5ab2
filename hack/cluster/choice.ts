import { z } from 'zod';

/** Which cluster a run uses. */
export type ClusterChoice =
  /** The cluster of the user's KUBECONFIG. */
  | { readonly kind: 'current' }
  /** A new cluster in containers, made by kind and removed afterwards. */
  | { readonly kind: 'kind' }
  /** A control plane from ready binaries in `directory`. */
  | { readonly kind: 'ready-binaries'; readonly directory: string }
  /** A control plane built from source. */
  | { readonly kind: 'embedded' };

/** CLUSTER has a value that is not known. */
export class UnknownClusterError extends Error {
  override readonly name = 'UnknownClusterError';

  constructor(value: string) {
    super(`CLUSTER=${value} is not known: use CLUSTER=current (your KUBECONFIG), CLUSTER=kind or CLUSTER=embedded, or leave it unset`);
  }
}

const variable = z.preprocess((value) => (value === '' ? undefined : value), z.string().optional());
const environment = z.object({ CLUSTER: variable, KUBEBUILDER_ASSETS: variable });

/**
 * The cluster that the environment asks for: what CLUSTER names, else the binaries of KUBEBUILDER_ASSETS, else the
 * embedded control plane. An empty variable counts as unset.
 *
 * @throws UnknownClusterError
 */
export function resolveCluster(env: Readonly<Record<string, string | undefined>>): ClusterChoice {
  const { CLUSTER, KUBEBUILDER_ASSETS } = environment.parse(env);
  switch (CLUSTER) {
    case 'current':
    case 'kind':
    case 'embedded':
      return { kind: CLUSTER };
    case undefined:
      return KUBEBUILDER_ASSETS === undefined ? { kind: 'embedded' } : { kind: 'ready-binaries', directory: KUBEBUILDER_ASSETS };
    default:
      throw new UnknownClusterError(CLUSTER);
  }
}
