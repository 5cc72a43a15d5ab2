import { describe, expect, test } from '@jest/globals';
import { readProxies } from '../../../src/app/proxies.ts';

const HTTP_PROXY = 'http://proxy.example.org:3128';
const HTTPS_PROXY = 'http://proxy.example.org:3129';
const NO_PROXY = ['.svc', 'example.com', '*.lab.example.org', '10.20.0.0/16', '192.0.2.7', 'cml.example.net:8443', '[2001:db8::1]', '2001:db8:1::/48', 'Upper.Example.Net.'];
const proxyOf = (url: string, exceptions = NO_PROXY): string | undefined => readProxies({ HTTP_PROXY, HTTPS_PROXY, NO_PROXY: exceptions }).proxyFor(new URL(url));

describe('the way out', () => {
  test('is by scheme, and https goes by HTTPS_PROXY alone', () => {
    expect([proxyOf('http://lds.example.org'), proxyOf('https://lds.example.org')]).toEqual([HTTP_PROXY, HTTPS_PROXY]);
    expect(readProxies({ HTTP_PROXY, NO_PROXY: [] }).proxyFor(new URL('https://lds.example.org'))).toBeUndefined();
  });

  test.each([
    'http://broker-ingress.knative-eventing.svc/exams', 'https://example.com', 'https://s3.example.com', 'https://a.lab.example.org', 'https://10.20.3.4', 'https://192.0.2.7:8443',
    'https://cml.example.net:8443', 'https://[2001:db8::1]/', 'https://[2001:db8:1::5]', 'https://upper.example.net', 'http://localhost:8080', 'http://127.0.0.1', 'http://[::1]:9000',
  ])('is direct to %s', (url) => {
    expect(proxyOf(url)).toBeUndefined();
  });

  test.each(['https://notexample.com', 'https://10.21.0.1', 'https://cml.example.net', 'https://192.0.2.70', 'https://[2001:db8::2]'])('is the proxy for %s', (url) => {
    expect(proxyOf(url)).toBe(HTTPS_PROXY);
  });

  test('is direct to all for *, and the proxy where nothing is excepted', () => {
    expect([proxyOf('https://example.com', ['*']), proxyOf('https://example.com', [])]).toEqual([undefined, HTTPS_PROXY]);
  });

  test('is told to agents of Node in their words: a name and those below it, a network as a range', () => {
    expect(readProxies({ HTTPS_PROXY, NO_PROXY: ['.svc', 'example.com', '10.20.0.0/16', '192.0.2.7', '*'] }).proxyEnv).toEqual({
      HTTPS_PROXY, NO_PROXY: '127.0.0.0-127.255.255.255,localhost,.localhost,svc,.svc,example.com,.example.com,10.20.0.0-10.20.255.255,192.0.2.7,*',
    });
    expect(readProxies({ NO_PROXY: ['.svc'] }).proxyEnv).toBeUndefined();
  });
});
