import { isWithoutCredentials, NO_CREDENTIALS, readSdkError } from '../aws.ts';
import { ExternalError, OutcomeUnknownError } from '../errors.ts';
import { kindOfStatus, readTransportError } from '../failures.ts';
import type { ExternalErrorKind } from '../errors.ts';

/** EC2 has none, or we may have no more: another subnet, another type, or later. */
const CAPACITY = new Set([
  'InsufficientInstanceCapacity', 'InsufficientHostCapacity', 'InsufficientCapacity', 'InsufficientFreeAddressesInSubnet', 'InstanceLimitExceeded',
  'VcpuLimitExceeded', 'MaxSpotInstanceCountExceeded', 'Unsupported',
]);
const THROTTLED = new Set(['RequestLimitExceeded', 'Throttling', 'ThrottlingException', 'RequestThrottled', 'EC2ThrottledException']);
const UNAUTHORIZED = new Set(['UnauthorizedOperation', 'AuthFailure', 'OptInRequired', 'InvalidClientTokenId', 'SignatureDoesNotMatch', 'ExpiredToken', 'RequestExpired', 'Blocked', 'PendingVerification']);

/** A call to EC2 failed; `code` is EC2's own word for it. */
export class Ec2Error extends ExternalError {
  override readonly name = 'Ec2Error';
  readonly code: string;

  constructor(code: string, details: ConstructorParameters<typeof ExternalError>[0]) {
    super(details);
    this.code = code;
  }
}

const MAX_SHOWN = 300;

export interface Where {
  readonly host: string;
  readonly call: string;
  /** It changes something: without an answer nobody knows whether it did. */
  readonly effect: boolean;
}

/** The error of the SDK in the terms a controller decides by. */
export function explain(error: unknown, { host, call, effect }: Where): ExternalError {
  const { name, message, status } = readSdkError(error);
  const details = { system: 'ec2', host, call, cause: error } as const;
  if (isWithoutCredentials(name)) return new Ec2Error(name, { ...details, ...NO_CREDENTIALS });
  if (status !== undefined && status >= 300) {
    return new Ec2Error(name, { ...details, kind: kindOf(name, status), status, description: `${name}${message === '' ? '' : `: ${message.slice(0, MAX_SHOWN)}`}` });
  }
  const { description, sent } = readTransportError(error);
  return sent && effect ? new OutcomeUnknownError({ ...details, description }) : new Ec2Error(name, { ...details, kind: 'unavailable', description });
}

function kindOf(code: string, status: number): ExternalErrorKind {
  if (CAPACITY.has(code)) return 'capacity';
  if (THROTTLED.has(code)) return 'unavailable';
  if (UNAUTHORIZED.has(code)) return 'unauthorized';
  if (code.endsWith('.NotFound') || code.endsWith('.Malformed') || code === 'InvalidAMIID.Unavailable') return 'notFound';
  if (code === 'IdempotentParameterMismatch' || code === 'IncorrectInstanceState' || code === 'IncorrectState') return 'conflict';
  return kindOfStatus(status);
}
