/** The XML of EC2's Query API, as far as the proxy reads or changes it. */
import { randomUUID } from 'node:crypto';

const CODES = { pending: 0, running: 16, 'shutting-down': 32, terminated: 48, stopping: 64, stopped: 80 } as const;
export type InstanceState = keyof typeof CODES;

const isState = (text: string): text is InstanceState => text in CODES;

/** What the proxy shows of an instance in place of what the upstream says. */
export interface Shown {
  readonly state?: InstanceState | undefined;
  readonly address?: string | undefined;
}

/** The parts of an answer that are about one instance: its id comes first, what follows belongs to it. */
const PARTS = /<instanceId>([^<]+)<\/instanceId>|<(instanceState|currentState)>\s*<code>\d+<\/code>\s*<name>([^<]+)<\/name>\s*<\/\2>|<(privateIpAddress|ipAddress|publicIp)>[^<]*<\/\4>/g;

/** The answer with states and addresses as `view` has them. */
export function rewriteInstances(xml: string, view: (id: string) => Shown): string {
  let id = '';
  return xml.replaceAll(PARTS, (part: string, newId: string | undefined, stateElement: string | undefined, _state: string, addressElement: string | undefined) => {
    if (newId !== undefined) {
      id = newId;
      return part;
    }
    const { state, address } = view(id);
    if (stateElement !== undefined && state !== undefined) return `<${stateElement}><code>${CODES[state]}</code><name>${state}</name></${stateElement}>`;
    if (addressElement !== undefined && address !== undefined) return `<${addressElement}>${address}</${addressElement}>`;
    return part;
  });
}

/** Ids of the instances in an answer, each once. */
export const instanceIds = (xml: string): string[] => [...new Set([...xml.matchAll(/<instanceId>([^<]+)<\/instanceId>/g)].map(([, id = '']) => id))];

/** Each instance of an answer with its state there. */
export function instanceStates(xml: string): Map<string, InstanceState> {
  const states = new Map<string, InstanceState>();
  let id = '';
  for (const [, newId, element, state = ''] of xml.matchAll(PARTS)) {
    if (newId !== undefined) id = newId;
    else if (element !== undefined && isState(state)) states.set(id, state);
  }
  return states;
}

export const errorBody = (code: string, message: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>${randomUUID()}</RequestID></Response>`;
