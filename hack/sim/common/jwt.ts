import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

const claims = z.object({ sub: z.string(), jti: z.int(), exp: z.number() });

/** Why a bearer token is not accepted. */
export type TokenProblem = 'missing' | 'malformed' | 'expired' | 'revoked';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * Issues and checks HS256 JSON Web Tokens with a key that lives as long as this
 * object: tokens of an earlier run are refused, as after a restart of the real system.
 */
export class TokenIssuer {
  readonly #key = randomBytes(32);
  readonly #lifetimeMs: number;
  readonly #now: () => number;
  readonly #revoked = new Set<number>();
  #issued = 0;
  #validFrom = 0;

  /** @param lifetimeMs real milliseconds until a token expires */
  constructor(lifetimeMs: number, now: () => number) {
    this.#lifetimeMs = lifetimeMs;
    this.#now = now;
  }

  get lifetimeSeconds(): number {
    return Math.floor(this.#lifetimeMs / 1_000);
  }

  issue(subject: string): string {
    this.#issued += 1;
    const body = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: subject, jti: this.#issued, exp: (this.#now() + this.#lifetimeMs) / 1_000 })}`;
    return `${body}.${this.#sign(body)}`;
  }

  /** The subject of the token in an Authorization header, or the reason for a 401. */
  check(authorization: string | undefined): { subject: string } | { problem: TokenProblem } {
    const token = this.#bearer(authorization);
    if (token === undefined) return { problem: 'missing' };
    const read = this.#read(token);
    if (read === undefined) return { problem: 'malformed' };
    if (this.#revoked.has(read.jti) || read.jti <= this.#validFrom) return { problem: 'revoked' };
    return read.exp * 1_000 <= this.#now() ? { problem: 'expired' } : { subject: read.sub };
  }

  /** Makes this one token stale. */
  revoke(authorization: string | undefined): void {
    const read = this.#read(this.#bearer(authorization) ?? '');
    if (read !== undefined) this.#revoked.add(read.jti);
  }

  /** Makes every token that was issued so far stale. */
  revokeAll(): void {
    this.#validFrom = this.#issued;
    this.#revoked.clear();
  }

  #bearer(authorization: string | undefined): string | undefined {
    return /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
  }

  #sign(body: string): string {
    return createHmac('sha256', this.#key).update(body).digest('base64url');
  }

  #read(token: string): z.infer<typeof claims> | undefined {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const expected = Buffer.from(this.#sign(`${header}.${payload}`));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  }
}
