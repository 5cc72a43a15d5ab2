import { Informer } from '../../src/kube/informer.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { ResourceOf } from '../../src/api/resource.ts';
import type { KubeClient } from '../../src/kube/client.ts';

/** The objects of a kind as the API server tells them to anybody who watches, until what is given to `atEnd` is run. */
export async function follow<T extends KubeObject>(client: KubeClient, resource: ResourceOf<T>, atEnd: (ending: () => Promise<void>) => unknown): Promise<Informer<T>> {
  const informer = new Informer(client, resource);
  const over = new AbortController();
  const running = informer.start(over.signal).catch(() => undefined);
  atEnd(async () => {
    over.abort();
    await running;
  });
  await informer.waitForSync();
  return informer;
}
