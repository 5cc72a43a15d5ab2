import { join } from 'node:path';
import type { Layout } from './layout.ts';

/** A member on its own, reached through a socket in the directory; it does not wait for the disk. */
export function etcdFlags(layout: Layout): string[] {
  return [
    `--data-dir=${join(layout.directory, 'etcd')}`,
    `--listen-client-urls=unix://${layout.etcdSocket}`,
    `--advertise-client-urls=unix://${layout.etcdSocket}`,
    `--listen-peer-urls=unix://${join(layout.directory, 'peer.sock')}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

export interface ApiServerChoices {
  /** Whether requests are logged to `layout.auditLog`. */
  readonly audit: boolean;
  /** Whether lists can be streamed; not in Kubernetes 1.33 as it comes. */
  readonly watchList: boolean;
}

export function apiServerFlags(layout: Layout, port: number, { audit, watchList }: ApiServerChoices): string[] {
  return [
    `--etcd-servers=unix://${layout.etcdSocket}`,
    '--bind-address=127.0.0.1',
    // Nothing reaches this server through a Service, and its Endpoints could not hold a loopback address.
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none',
    `--secure-port=${port}`,
    `--tls-cert-file=${layout.serving.certificate}`,
    `--tls-private-key-file=${layout.serving.key}`,
    `--client-ca-file=${layout.authority}`,
    `--authentication-config=${layout.authentication}`,
    '--authorization-mode=RBAC',
    // As on OpenShift: who sets an owner must have the rights for it.
    '--enable-admission-plugins=OwnerReferencesPermissionEnforcement',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${layout.tokenKeys.privateKey}`,
    `--service-account-key-file=${layout.tokenKeys.publicKey}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--allow-privileged=true',
    // For the logs of pods, where there are nodes (hack/node).
    `--kubelet-client-certificate=${layout.admin.certificate}`,
    `--kubelet-client-key=${layout.admin.key}`,
    '--kubelet-preferred-address-types=InternalIP',
    // Else a graceful end waits a minute for the watches of clients that do not hang up.
    '--shutdown-watch-termination-grace-period=2s',
    '--profiling=false',
    ...(watchList ? [] : ['--feature-gates=WatchList=false']),
    ...(audit ? [`--audit-policy-file=${layout.auditPolicy}`, `--audit-log-path=${layout.auditLog}`, '--audit-log-mode=blocking'] : []),
  ];
}

// What makes a cluster's objects behave as in production, short of running pods: nodes and a scheduler are in hack/node.
const CONTROLLERS = [
  'garbage-collector-controller',
  'namespace-controller',
  'node-lifecycle-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'root-ca-certificate-publisher-controller',
  'clusterrole-aggregation-controller',
  'resourcequota-controller',
  'deployment-controller',
  'replicaset-controller',
  'statefulset-controller',
  'daemonset-controller',
  'job-controller',
  'cronjob-controller',
  'disruption-controller',
  'endpointslice-controller',
  'ttl-after-finished-controller',
  'validatingadmissionpolicy-status-controller',
];

export function controllerManagerFlags(layout: Layout): string[] {
  return [
    `--kubeconfig=${layout.controllerManagerKubeconfig}`,
    `--controllers=${CONTROLLERS.join(',')}`,
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${layout.tokenKeys.privateKey}`,
    `--root-ca-file=${layout.authority}`,
    '--leader-elect=false',
    '--secure-port=0',
    '--kube-api-qps=200',
    '--kube-api-burst=400',
    '--profiling=false',
  ];
}
