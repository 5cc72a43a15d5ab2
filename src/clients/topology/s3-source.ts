/** Topologies from S3: s3://exam-labs/campus-edge/1.2.0.cml.yaml. */
import { TooLargeError } from '../bounded.ts';
import { ExternalError } from '../errors.ts';
import { parseS3Uri } from '../s3.ts';
import type { S3, S3Location } from '../s3.ts';
import { TopologySourceError, tooLarge } from './port.ts';
import type { ReadOptions, TopologyRead, TopologySource } from './port.ts';

export interface S3TopologyOptions {
  readonly s3: S3;
  /** More bytes end the read. */
  readonly maxBytes: number;
  /** Where the controller keeps what is not for everybody (evidence, the archive), as s3://BUCKET/PREFIX: nothing is read from there. */
  readonly keepOut?: readonly string[] | undefined;
}

/**
 * The endpoint comes from the configuration of the controller and not from a user, so no address is guarded here. What is
 * read is read with the controller's own identity, though, which may see the work of other candidates.
 */
export class S3TopologySource implements TopologySource {
  readonly #s3: S3;
  readonly #maxBytes: number;
  readonly #keepOut: readonly S3Location[];

  constructor({ s3, maxBytes, keepOut = [] }: S3TopologyOptions) {
    this.#s3 = s3;
    this.#maxBytes = maxBytes;
    this.#keepOut = keepOut.flatMap((uri) => parseS3Uri(uri) ?? []);
  }

  async read(uri: string, { signal, etag }: ReadOptions): Promise<TopologyRead> {
    const location = parseS3Uri(uri);
    if (location === undefined || location.key === '') {
      throw new TopologySourceError('SourceInvalid', 'spec.topology.uri is no object in S3. Write it like s3://BUCKET/KEY, with the name of the bucket in lower case.');
    }
    if (this.#keepOut.some((root) => root.bucket === location.bucket && location.key.startsWith(root.key))) {
      throw new TopologySourceError('SourceBlocked', 'spec.topology.uri is where evidence or the archive is kept: topologies are not read from there. Put the file into another bucket, or under another prefix.');
    }
    try {
      return await this.#s3.get(location, { signal, maxBytes: this.#maxBytes, etag });
    } catch (error) {
      if (error instanceof TooLargeError) throw tooLarge(uri, this.#maxBytes, error);
      throw error instanceof ExternalError ? explain(error) : error;
    }
  }
}

function explain(error: ExternalError): TopologySourceError {
  switch (error.kind) {
    case 'notFound':
      return new TopologySourceError('SourceNotFound', `${error.message}. Put the object there, or correct spec.topology.uri.`, { cause: error });
    case 'unauthorized':
      return new TopologySourceError('SourceForbidden', `${error.message}. The controller's AWS identity needs s3:GetObject on the object, and s3:ListBucket to tell a missing one from a forbidden one.`, { cause: error });
    case 'badRequest':
    case 'badResponse':
      return new TopologySourceError('SourceInvalid', `${error.message}. Correct spec.topology.uri or the S3 settings of the controller.`, { cause: error });
    default:
      return new TopologySourceError('SourceUnavailable', `${error.message}. It is tried again.`, { cause: error });
  }
}
