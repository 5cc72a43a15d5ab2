import { describe, expect, test } from '@jest/globals';
import { resolveCluster, UnknownClusterError } from '../../../hack/cluster/choice.ts';

describe('the cluster of a run', () => {
  test.each([
    { env: {}, choice: { kind: 'embedded' } },
    { env: { CLUSTER: 'current' }, choice: { kind: 'current' } },
    { env: { CLUSTER: 'kind' }, choice: { kind: 'kind' } },
    { env: { KUBEBUILDER_ASSETS: '/opt/k8s' }, choice: { kind: 'ready-binaries', directory: '/opt/k8s' } },
    { env: { CLUSTER: 'current', KUBEBUILDER_ASSETS: '/opt/k8s' }, choice: { kind: 'current' } },
    { env: { CLUSTER: 'embedded', KUBEBUILDER_ASSETS: '/opt/k8s' }, choice: { kind: 'embedded' } },
    { env: { CLUSTER: '', KUBEBUILDER_ASSETS: '' }, choice: { kind: 'embedded' } },
  ])('$env means $choice.kind', ({ env, choice }) => {
    expect(resolveCluster(env)).toEqual(choice);
  });

  test('a value that is not known is refused with the values that are', () => {
    expect(() => resolveCluster({ CLUSTER: 'minikube' })).toThrow(UnknownClusterError);
    expect(() => resolveCluster({ CLUSTER: 'minikube' })).toThrow(/CLUSTER=current .* CLUSTER=kind or CLUSTER=embedded/);
  });
});
