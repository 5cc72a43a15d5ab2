import { HttpProblem } from '../common/web.ts';

export const LICENSES = ['personal', 'enterprise', 'evaluation', 'none'] as const;
export type LicenseKind = (typeof LICENSES)[number];

const PRODUCTS = { personal: 'CML_Personal', enterprise: 'CML_Enterprise', evaluation: 'CML_Evaluation' } as const;
type Product = (typeof PRODUCTS)[keyof typeof PRODUCTS];

const TOKEN = /^[A-Za-z0-9+/%=-]{1,256}$/;
const PERSONAL_NODE_LIMIT = 20;

/** The smart licence of one host: a product, and a registration that takes a moment. */
export class Licensing {
  readonly #initial: LicenseKind;
  readonly #now: () => number;
  readonly #registrationMs: number;
  #product: Product = PRODUCTS.personal;
  /** When the registration is complete, ms since the epoch; absent: not registered. */
  #completeAt: number | undefined;

  /** @param registrationMs real milliseconds until a registration is complete */
  constructor(initial: LicenseKind, registrationMs: number, now: () => number) {
    this.#initial = initial;
    this.#registrationMs = registrationMs;
    this.#now = now;
    this.reset();
  }

  reset(): void {
    this.#product = this.#initial === 'none' ? PRODUCTS.personal : PRODUCTS[this.#initial];
    this.#completeAt = this.#initial === 'none' ? undefined : this.#now();
  }

  get registered(): boolean {
    return this.#completeAt !== undefined && this.#completeAt <= this.#now();
  }

  get enterprise(): boolean {
    return this.#product === PRODUCTS.enterprise;
  }

  /** Nodes that may run at the same time. */
  nodeLimit(): number {
    if (!this.registered) return 0;
    return this.#product === PRODUCTS.personal ? PERSONAL_NODE_LIMIT : Infinity;
  }

  /** @throws HttpProblem 400 for a product that does not exist */
  setProduct(name: unknown): void {
    const product = Object.values(PRODUCTS).find((known) => known === name);
    if (product === undefined) throw new HttpProblem(400, `Unknown product license; there are: ${Object.values(PRODUCTS).join(', ')}`);
    this.#product = product;
  }

  /** @throws HttpProblem 400 bad token, 409 busy */
  register(token: string): void {
    this.#refuseWhileBusy();
    if (!TOKEN.test(token)) throw new HttpProblem(400, 'The registration token is not valid');
    this.#completeAt = this.#now() + this.#registrationMs;
  }

  /** @throws HttpProblem 400 not registered, 409 busy */
  deregister(): void {
    this.#refuseWhileBusy();
    if (this.#completeAt === undefined) throw new HttpProblem(400, 'The product instance is not registered');
    this.#completeAt = undefined;
  }

  /** The body of `GET /licensing`. */
  status(): Record<string, unknown> {
    const registration = this.registered ? 'COMPLETED' : this.#completeAt === undefined ? 'NOT_REGISTERED' : 'IN_PROGRESS';
    return {
      registration: { status: registration, smart_account: this.registered ? 'lablet' : null, virtual_account: null },
      authorization: { status: this.registered ? 'IN_COMPLIANCE' : 'EVAL' },
      product_license: { active: this.#product, is_enterprise: this.enterprise },
      features: [],
      reservation_mode: false,
      transport: { ssms: null, default_ssms: 'https://smartreceiver.example.com/licservice/license', proxy: { server: null, port: null } },
      udi: { hostname: 'cml-controller', product_uuid: '00000000-0000-4000-8000-000000000000' },
    };
  }

  #refuseWhileBusy(): void {
    if (this.#completeAt !== undefined && !this.registered) throw new HttpProblem(409, 'A licensing operation is in progress');
  }
}
