/** The moto server behind the proxy: calls of clients are passed on, and some are made by other hands. */
import { z } from 'zod';
import type { Request } from 'express';

/** What a client's call says of itself; the rest of its headers is between the client and the proxy. */
const PASSED_ON = ['authorization', 'content-type', 'x-amz-date', 'x-amz-security-token', 'user-agent'] as const;

/** Nobody checks the signature there; service and region are read from it. */
const otherHand = (region: string): string => `AWS4-HMAC-SHA256 Credential=other/20261123/${region}/ec2/aws4_request, SignedHeaders=host, Signature=00`;

const header = z.string();

export class Upstream {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async forward(request: Request, form: URLSearchParams): Promise<{ status: number; body: string }> {
    const headers = new Headers();
    for (const name of PASSED_ON) {
      const value = header.safeParse(request.headers[name]);
      if (value.success) headers.set(name, value.data);
    }
    return this.#post(form, headers);
  }

  /** A call by somebody who is not the client. */
  call(action: string, parameters: Readonly<Record<string, string>>, region: string): Promise<{ status: number; body: string }> {
    const headers = new Headers({ authorization: otherHand(region), 'content-type': 'application/x-www-form-urlencoded' });
    return this.#post(new URLSearchParams({ Action: action, Version: '2016-11-15', ...parameters }), headers);
  }

  /** An image as an installation would import its own. @returns its id */
  async registerImage(name: string, region = 'us-east-1'): Promise<string> {
    const { body } = await this.call('RegisterImage', { Name: name, Architecture: 'x86_64', RootDeviceName: '/dev/sda1' }, region);
    const id = /<imageId>([^<]+)<\/imageId>/.exec(body)?.[1];
    if (id === undefined) throw new Error(`the upstream registered no image ${name}: ${body.slice(0, 300)}`);
    return id;
  }

  async #post(form: URLSearchParams, headers: Headers): Promise<{ status: number; body: string }> {
    const response = await fetch(this.#url, { method: 'POST', headers, body: form.toString() });
    return { status: response.status, body: await response.text() };
  }
}
