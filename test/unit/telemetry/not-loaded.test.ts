import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '../../..');
/** Names every module as it is loaded. */
const HOOK = `
  import { registerHooks } from 'node:module';
  registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });
`;

test('while traces are off, nothing that makes or sends them is loaded', async () => {
  const hook = `data:text/javascript,${encodeURIComponent(HOOK)}`;
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', hook, resolve(ROOT, 'src/main.ts'), '--help'], { maxBuffer: 16 * 1024 * 1024 });
  expect(stderr).toContain('/src/telemetry/otlp.ts');
  // The Prometheus client brings OpenTelemetry's API, a few interfaces.
  expect(stderr.replaceAll('@opentelemetry/api/', '')).not.toContain('@opentelemetry');
});
