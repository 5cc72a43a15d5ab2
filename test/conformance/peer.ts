/** A program on another SDK that sends to us and receives from us, driven by lines of JSON. */
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { builtOnce } from '../../hack/cluster/binaries.ts';
import { pythonWith } from '../../hack/python/venv.ts';
import type { Sample } from './samples.ts';

const report = (line: string): void => void process.stderr.write(`conformance: ${line}\n`);

const sampleSchema = z.object({
  id: z.string(), source: z.string(), type: z.string(), subject: z.string().optional(), time: z.string().optional(), datacontenttype: z.string().optional(), dataschema: z.string().optional(),
  extensions: z.record(z.string(), z.string()), json: z.unknown().optional(), text: z.string().optional(), base64: z.string().optional(),
});
const lineSchema = z.union([z.object({ port: z.number() }), z.object({ status: z.number() }), z.object({ received: sampleSchema }), z.object({ error: z.string() })]);

/** What a peer is told to send. */
export interface Order {
  readonly url: string;
  readonly mode: 'binary' | 'structured' | 'batch';
  /** Appended to the content type, which the SDKs write without. */
  readonly charset?: string | undefined;
  readonly events: readonly Sample[];
}

export interface Peer {
  /** Where it receives. */
  readonly url: string;
  /** Sends, and resolves with the status of the answer. Rejects with what the SDK said against it. */
  send(order: Order): Promise<number>;
  /** What it received next. Rejects with what the SDK said against it. */
  received(): Promise<Sample>;
  close(): Promise<void>;
}

const PYTHON = resolve(import.meta.dirname, 'python');

/** Paths of the program in Go and of the interpreter for the one in Python; made once and kept in the cache. */
export const goProgram = async (): Promise<string> => join(await builtOnce('ceprobe', ['ceprobe'], process.env, report, resolve(import.meta.dirname, 'go')), 'ceprobe');
export const pythonProgram = (): Promise<string> => pythonWith('ceprobe', join(PYTHON, 'requirements.txt'));

/** `github.com/cloudevents/sdk-go/v2`, which Knative itself uses. */
export const goPeer = async (): Promise<Peer> => startPeer(await goProgram(), []);

/** `cloudevents` from PyPI, in a virtual environment of its own. */
export const pythonPeer = async (): Promise<Peer> => startPeer(await pythonProgram(), [join(PYTHON, 'ceprobe.py')]);

async function startPeer(command: string, args: readonly string[]): Promise<Peer> {
  // It ends with its standard input, and so with this process.
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<z.output<typeof lineSchema>> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${command} ended`);
    return lineSchema.parse(JSON.parse(line.value));
  };
  const first = await next();
  if (!('port' in first)) throw new Error(`${command} did not begin to listen`);
  return {
    url: `http://127.0.0.1:${first.port}/`,
    send: async (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const line = await next();
      if ('status' in line) return line.status;
      throw new Error('error' in line ? line.error : 'the peer received when it should have sent');
    },
    received: async () => {
      const line = await next();
      if ('received' in line) return line.received;
      throw new Error('error' in line ? line.error : 'the peer sent when it should have received');
    },
    close: async () => {
      const ended = new Promise((done) => child.once('exit', done));
      child.stdin.end();
      await ended;
    },
  };
}
