import { describe, expect, test } from '@jest/globals';
import { ClientTokens, ParameterMismatch } from '../../../hack/sim/ec2/tokens.ts';
import { instanceIds, instanceStates, rewriteInstances } from '../../../hack/sim/ec2/xml.ts';

const form = (parameters: Record<string, string>) => new URLSearchParams({ Action: 'RunInstances', ...parameters });

describe('client tokens, as AWS keeps them', () => {
  const launches = () => {
    let made = 0;
    return async () => Promise.resolve(`reservation ${++made}`);
  };

  test('the same token with the same parameters, in whatever order, is the same reservation', async () => {
    const [tokens, launch] = [new ClientTokens(), launches()];
    const asked = [form({ ClientToken: 't', ImageId: 'ami-1', InstanceType: 'a' }), form({ InstanceType: 'a', ClientToken: 't', ImageId: 'ami-1' })];
    expect(await Promise.all(asked.map((one) => tokens.once(one, launch)))).toEqual(['reservation 1', 'reservation 1']);
    expect(await tokens.once(form({ ClientToken: 'u', ImageId: 'ami-1', InstanceType: 'a' }), launch)).toBe('reservation 2');
  });

  test('with other parameters it is refused', async () => {
    const [tokens, launch] = [new ClientTokens(), launches()];
    await tokens.once(form({ ClientToken: 't', ImageId: 'ami-1' }), launch);
    await expect(tokens.once(form({ ClientToken: 't', ImageId: 'ami-2' }), launch)).rejects.toBeInstanceOf(ParameterMismatch);
  });

  test('a launch that was refused uses up no token, and one without a token is always new', async () => {
    const [tokens, launch] = [new ClientTokens(), launches()];
    await expect(tokens.once(form({ ClientToken: 't', ImageId: 'ami-1' }), () => Promise.reject(new Error('no capacity')))).rejects.toThrow('no capacity');
    expect(await tokens.once(form({ ClientToken: 't', ImageId: 'ami-2' }), launch)).toBe('reservation 1');
    expect([await tokens.once(form({}), launch), await tokens.once(form({}), launch)]).toEqual(['reservation 2', 'reservation 3']);
  });
});

describe('answers of EC2', () => {
  const XML = `<item><instanceId>i-1</instanceId><instanceState>
  <code>16</code>
  <name>running</name></instanceState><privateIpAddress>10.1.1.1</privateIpAddress></item>
<item><instanceId>i-2</instanceId><instanceState><code>16</code><name>running</name></instanceState><privateIpAddress>10.1.1.2</privateIpAddress></item>`;

  test('are shown with the states and addresses of their own instances, and unchanged for those that are not known', () => {
    const shown = rewriteInstances(XML, (id) => (id === 'i-1' ? { state: 'pending', address: '127.20.0.1' } : {}));
    expect([instanceIds(shown), [...instanceStates(shown)]]).toEqual([['i-1', 'i-2'], [['i-1', 'pending'], ['i-2', 'running']]]);
    expect(shown.match(/<privateIpAddress>[^<]*/g)).toEqual(['<privateIpAddress>127.20.0.1', '<privateIpAddress>10.1.1.2']);
  });
});
