import { afterTest } from '../after-test.ts';
import { TestSink } from './sink.ts';

/** A sink that ends with the test. */
export async function sinkThat(react?: TestSink['react']): Promise<TestSink> {
  const sink = await TestSink.start(react);
  afterTest(() => sink.close());
  return sink;
}
