import { describe, expect, test } from '@jest/globals';
import { isListed } from '../../../src/events/allow-list.ts';
import { certificateNames } from '../../../src/events/certificate-names.ts';

const namesOf = (CN: string | string[] | undefined, subjectaltname?: string): string[] =>
  certificateNames({ subject: { ...(CN === undefined ? {} : { CN }) }, ...(subjectaltname === undefined ? {} : { subjectaltname }) });

describe('the names of a certificate', () => {
  test.each<[string, string | string[] | undefined, string | undefined, string[]]>([
    ['a common name', 'lds', undefined, ['lds']],
    ['several', ['a', 'b'], undefined, ['a', 'b']],
    ['DNS names and URIs, but no addresses', 'lds', 'DNS:lds.example.org, IP Address:10.0.0.1, URI:spiffe://cluster.local/ns/lds/sa/lds', ['lds', 'lds.example.org', 'spiffe://cluster.local/ns/lds/sa/lds']],
    ['a name with special characters, which stands in quotes', undefined, 'URI:"https://a/\\"b\\",c", DNS:d', ['https://a/"b",c', 'd']],
    ['none', undefined, undefined, []],
  ])('are %s', (_, CN, alternative, names) => {
    expect(namesOf(CN, alternative)).toEqual(names);
  });

  test.each([
    ['in another kind of name', 'DirName:"CN=x, DNS:admin", DNS:d', ['d']],
    ['in a quoted one', 'email:"a, DNS:admin"', []],
  ])('are not what somebody wrote %s', (_, alternative, names) => {
    expect(namesOf(undefined, alternative)).toEqual(names);
  });

  test('are none at all if they cannot be read from begin to end', () => {
    expect(namesOf('lds', 'DNS:"half')).toEqual([]);
  });
});

describe('a list of who may send', () => {
  test.each<[string[], string, boolean]>([
    [[], 'lds', false],
    [['lds'], 'lds', true],
    [['lds'], 'lds2', false],
    [['system:serviceaccount:exams:*'], 'system:serviceaccount:exams:lds-oidc-eventing.knative.dev-trigger', true],
    [['system:serviceaccount:exams:*'], 'system:serviceaccount:exams-2:lds', false],
    [['system:serviceaccount:*:*-eventing.knative.dev-trigger'], 'system:serviceaccount:exams:lds-oidc-eventing.knative.dev-trigger', true],
    [['a.c'], 'abc', false],
    [['*'], '', true],
    [['(['], '([', true],
  ])('%j with %s: %s', (list, value, isOn) => {
    expect(isListed(list, value)).toBe(isOn);
  });
});
