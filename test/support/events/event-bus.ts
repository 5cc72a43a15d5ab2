import { z } from 'zod';
import type { Moto } from '../../../hack/moto/moto.ts';

/** An event as a target of EventBridge gets it. */
const busEvent = z.object({ 'detail-type': z.string(), source: z.string(), time: z.string(), region: z.string(), detail: z.record(z.string(), z.unknown()) });
export type BusEvent = z.output<typeof busEvent>;

export interface EventBus {
  /** Everything that the rule let through so far, in the order in which the queue gave it. */
  received(): Promise<readonly BusEvent[]>;
}

/**
 * Makes an event bus with a rule and an SQS queue behind it.
 * @param pattern of the rule, as EventBridge writes it
 */
export async function createEventBus(moto: Moto, region: string, bus: string, pattern: object): Promise<EventBus> {
  const events = (call: string, input: object): Promise<unknown> => aws(moto.url, region, 'events', `AWSEvents.${call}`, input);
  const sqs = (call: string, input: object): Promise<unknown> => aws(moto.url, region, 'sqs', `AmazonSQS.${call}`, input);
  const { QueueUrl } = z.object({ QueueUrl: z.string() }).parse(await sqs('CreateQueue', { QueueName: `behind-${bus}` }));
  const { Attributes } = z.object({ Attributes: z.object({ QueueArn: z.string() }) }).parse(await sqs('GetQueueAttributes', { QueueUrl, AttributeNames: ['QueueArn'] }));
  await events('CreateEventBus', { Name: bus });
  await events('PutRule', { Name: 'to-queue', EventBusName: bus, EventPattern: JSON.stringify(pattern) });
  await events('PutTargets', { Rule: 'to-queue', EventBusName: bus, Targets: [{ Id: 'queue', Arn: Attributes.QueueArn }] });
  const got: BusEvent[] = [];
  return {
    received: async () => {
      for (;;) {
        const { Messages = [] } = z.object({ Messages: z.array(z.object({ Body: z.string(), ReceiptHandle: z.string() })).optional() }).parse(await sqs('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10 }));
        if (Messages.length === 0) return got;
        for (const { Body, ReceiptHandle } of Messages) {
          got.push(busEvent.parse(JSON.parse(Body)));
          await sqs('DeleteMessage', { QueueUrl, ReceiptHandle });
        }
      }
    },
  };
}

/** One call of AWS's JSON protocols. Of the signature moto reads only which service and region are meant. */
async function aws(url: string, region: string, service: 'events' | 'sqs', target: string, input: object): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': `application/x-amz-json-${service === 'sqs' ? '1.0' : '1.1'}`, 'x-amz-target': target,
      authorization: `AWS4-HMAC-SHA256 Credential=testing/20261123/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(input),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${target}: ${response.status} ${text}`);
  return text === '' ? {} : JSON.parse(text) as unknown;
}
