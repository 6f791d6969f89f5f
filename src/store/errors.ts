/** What a failed request to an object store means to the user: one sentence, and what to do. */
import { DareError, inputError, messageOf, runError } from '../errors.js';

/** An object isn't what it was listed as: somebody replaced or removed it since. */
export class ObjectChanged extends DareError {
  constructor(url: string) {
    super(
      `${url} was replaced or removed while it was read`,
      1,
      'Run again, when whoever writes it is done.',
    );
  }
}

interface Reason {
  /** Names of errors, of the service or of Node. */
  names: readonly string[];
  why: string;
  hint: string;
  /** Trying again can't help. */
  refused?: boolean;
}

const reasons: readonly Reason[] = [
  {
    names: ['NoSuchBucket'],
    why: 'there is no such bucket',
    hint: 'Correct its name, make the bucket, or set storage.endpoint where it is on another store than AWS.',
    refused: true,
  },
  {
    names: ['CredentialsProviderError', 'CredentialsError', 'TokenProviderError'],
    why: 'no credentials were found',
    hint:
      'Give them as the AWS tools take them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ' +
      'or a role of the machine.',
    refused: true,
  },
  {
    names: ['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken'],
    why: 'the store refuses the credentials',
    hint: 'Correct the key or its secret (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE).',
    refused: true,
  },
  {
    names: ['AccessDenied', 'Forbidden', 'AllAccessDisabled', '403'],
    why: 'access is denied',
    hint:
      'These credentials need s3:ListBucket, s3:GetObject, and for a lake s3:PutObject, s3:DeleteObject and ' +
      's3:AbortMultipartUpload.',
    refused: true,
  },
  {
    names: ['ExpiredToken', 'ExpiredTokenException', 'RequestTimeTooSkewed'],
    why: "the credentials have expired, or this machine's clock is wrong",
    hint: 'Renew them (aws sso login), or set the clock, and run again.',
  },
  {
    names: ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException', '301'],
    why: 'the bucket is in another region',
    hint: 'Set storage.region (or AWS_REGION) to the one that the bucket is in.',
    refused: true,
  },
  {
    names: ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
    why: 'the store can not be reached',
    hint: 'Check the network, and storage.endpoint (or AWS_ENDPOINT_URL), and run again.',
  },
  {
    names: ['TimeoutError', 'ETIMEDOUT', 'RequestTimeout', 'ESOCKETTIMEDOUT'],
    why: 'the store does not answer in time',
    hint: 'Check the network, and storage.endpoint (or AWS_ENDPOINT_URL), and run again.',
  },
  {
    names: ['SlowDown', 'ServiceUnavailable', 'InternalError', 'Throttling', '500', '503'],
    why: 'the store is overloaded or out of order',
    hint: 'Run again later.',
  },
  {
    names: ['EntityTooLarge', 'QuotaExceeded', 'XMinioStorageFull', '507'],
    why: 'the store has no room for it',
    hint: 'Make room in the store, and run again: the earlier objects are as they were.',
  },
];

/**
 * @param what was attempted, for example 'the object could not be written'
 * @param url what it is about
 */
export function storeError(error: unknown, what: string, url: string): DareError {
  if (error instanceof DareError) return error;
  if (/region is missing/i.test(messageOf(error))) {
    const hint = "Set storage.region, AWS_REGION, or the profile's region.";
    return inputError(`${what}: ${url}: the store's region is not known`, hint, error);
  }
  const names = namesOf(error);
  const reason = reasons.find((one) => one.names.some((name) => names.includes(name)));
  if (reason === undefined) return runError(`${what}: ${url}: ${sentenceOf(error)}`, undefined, error);
  const make = reason.refused === true ? inputError : runError;
  return make(`${what}: ${url}: ${reason.why}`, reason.hint, error);
}

/** The HTTP status of a refused request. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

/** The error's names and codes, its causes' too, and the status as digits. */
function namesOf(error: unknown): string[] {
  const names: string[] = [];
  for (let one = error; one instanceof Error && names.length < 50; one = one.cause) {
    const { name, code, Code, errors } = one as Error & { code?: unknown; Code?: unknown; errors?: unknown };
    names.push(name, String(code), String(Code), String(statusOf(one)));
    // a host with several addresses fails with an error for each
    if (Array.isArray(errors)) names.push(...errors.flatMap(namesOf));
  }
  return names;
}

function sentenceOf(error: unknown): string {
  const [line = ''] = messageOf(error).split('\n');
  return line === '' ? (error as Error).name : line;
}
