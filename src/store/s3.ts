/** One bucket of an object store that speaks S3: the only code that talks to it. */
import { createWriteStream } from 'node:fs';
import { open, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { runError } from '../errors.js';
import { fileError } from '../lake/file-error.js';
import { makeFolder } from '../lake/folder.js';
import { discard, publishFile, temporaryBeside } from '../lake/publish.js';
import { ObjectChanged, statusOf, storeError } from './errors.js';
import { formatLocation } from './location.js';

/** What the configuration says of the store; what it leaves out is the SDK's to find (environment, profile). */
export interface StoreSettings {
  /** URL of a store that isn't AWS. */
  endpoint?: string | undefined;
  region?: string | undefined;
  /** Whether the bucket stands in the path instead of the host's name. */
  pathStyle?: boolean | undefined;
}

/** An object as it is listed. */
export interface StoredObject {
  key: string;
  /** Bytes. */
  size: number;
  etag: string;
  modified: Date;
}

/** A small object as it is read. */
export interface SmallObject {
  text: string;
  etag: string;
  /** Milliseconds since it was written, by the store's clock: whole seconds. */
  age: number;
}

/** Bytes of a part of an upload: larger objects have larger parts, since a store takes up to 10,000. */
const partBytes = 8 << 20;
const mostParts = 9000;
/** Parts of an object that travel together; each is in memory. */
const partsTogether = 3;
const attempts = 3;
/** Name of the metadata of an object that says who wrote it. */
const writerKey = 'dare-writer';

/** The SDK, loaded when a path is remote: nobody else waits for it. */
async function loadSdk() {
  // its versions after January 2027 need Node 22: ours is pinned, and users of Node 20 can do nothing about it
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const [client, { Upload }] = await Promise.all([
    import('@aws-sdk/client-s3'),
    import('@aws-sdk/lib-storage'),
  ]);
  return { ...client, Upload };
}
type Sdk = Awaited<ReturnType<typeof loadSdk>>;

export class S3Store {
  private constructor(
    readonly bucket: string,
    private readonly sdk: Sdk,
    private readonly client: S3Client,
  ) {}

  /** Opens a bucket. Nothing is sent yet. */
  static async open(bucket: string, { endpoint, region, pathStyle }: StoreSettings): Promise<S3Store> {
    const sdk = await loadSdk();
    const { AWS_ENDPOINT_URL_S3: ofS3, AWS_ENDPOINT_URL: ofAll } = process.env;
    const client = new sdk.S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      // few stores beside AWS have a host's name for each bucket
      forcePathStyle: pathStyle ?? (endpoint ?? ofS3 ?? ofAll) !== undefined,
      maxAttempts: attempts,
      // milliseconds; the second is of silence, not of the whole
      requestHandler: { connectionTimeout: 10_000, socketTimeout: 120_000 },
    });
    return new S3Store(bucket, sdk, client);
  }

  url(key: string): string {
    return formatLocation({ bucket: this.bucket, key });
  }

  /** All objects whose keys begin with `prefix`, in the order of the store. @throws as `storeError` */
  async list(prefix: string, signal?: AbortSignal): Promise<StoredObject[]> {
    const found: StoredObject[] = [];
    let token: string | undefined;
    try {
      do {
        const page = await this.client.send(
          new this.sdk.ListObjectsV2Command({
            Bucket: this.bucket,
            Prefix: prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          sending(signal),
        );
        for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
          if (Key === undefined || ETag === undefined) continue;
          found.push({ key: Key, size: Size ?? 0, etag: ETag, modified: LastModified ?? new Date(0) });
        }
        token = page.NextContinuationToken;
      } while (token !== undefined);
      return found;
    } catch (error) {
      signal?.throwIfAborted();
      throw storeError(error, 'the objects could not be listed', this.url(prefix));
    }
  }

  /**
   * An object, undefined where there is none.
   * @returns with it who wrote it, as `upload` was told
   * @throws as `storeError`
   */
  async head(key: string, signal?: AbortSignal): Promise<(StoredObject & { writer?: string }) | undefined> {
    try {
      const command = new this.sdk.HeadObjectCommand({ Bucket: this.bucket, Key: key });
      const { ContentLength, ETag, LastModified, Metadata } = await this.client.send(
        command,
        sending(signal),
      );
      return {
        key,
        size: ContentLength ?? 0,
        etag: ETag ?? '',
        modified: LastModified ?? new Date(0),
        ...(Metadata?.[writerKey] === undefined ? {} : { writer: Metadata[writerKey] }),
      };
    } catch (error) {
      signal?.throwIfAborted();
      // answers without a body: why access is denied, or whether it is the bucket that is missing, only a list tells
      if (statusOf(error) === 404) return (await this.list(key, signal)).find((one) => one.key === key);
      if (statusOf(error) === 403) await this.list(key, signal);
      throw storeError(error, 'the object could not be looked at', this.url(key));
    }
  }

  /**
   * Brings an object to a file: beside it, checked, renamed, with the object's time of change.
   * @throws ObjectChanged where it isn't what was listed; else as `storeError` or `fileError`
   */
  async download(object: StoredObject, file: string, signal?: AbortSignal): Promise<void> {
    makeFolder(dirname(file));
    for (let attempt = 1; ; attempt++) {
      const temporary = temporaryBeside(file);
      try {
        await this.fetch(object, temporary, signal);
        await utimes(temporary, object.modified, object.modified);
        return await publishFile(temporary, file);
      } catch (error) {
        await discard(temporary);
        signal?.throwIfAborted();
        if (isOfDisk(error)) throw fileError(error, 'the object could not be kept', file);
        // a request is tried again by the SDK; an answer that breaks off isn't
        if (statusOf(error) !== undefined || error instanceof ObjectChanged || attempt === attempts)
          throw storeError(error, 'the object could not be read', this.url(object.key));
      }
    }
  }

  private async fetch({ key, size, etag }: StoredObject, file: string, signal?: AbortSignal): Promise<void> {
    const command = new this.sdk.GetObjectCommand({ Bucket: this.bucket, Key: key, IfMatch: etag });
    let body: Readable;
    let answered: string | undefined;
    try {
      const answer = await this.client.send(command, sending(signal));
      body = answer.Body as Readable;
      answered = answer.ETag;
    } catch (error) {
      if (statusOf(error) === 412 || statusOf(error) === 404) throw new ObjectChanged(this.url(key));
      throw error;
    }
    if (answered !== etag) {
      body.destroy();
      throw new ObjectChanged(this.url(key));
    }
    let received = 0;
    const counted = async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        received += chunk.length;
        yield chunk;
      }
    };
    await pipeline(body, counted, createWriteStream(file), signal === undefined ? {} : { signal });
    if (received === size) return;
    throw runError(
      `${this.url(key)} came incomplete: ${received} of ${size} bytes`,
      'Check the network, and what stands between this machine and the store, and run again.',
    );
  }

  /**
   * Writes a file's content to an object, in parts where it is large: readers see the old object or the new one.
   * @param writer who writes it, kept with the object
   * @param limit bytes from the file's beginning, of one that grows meanwhile
   * @returns the object's ETag; undefined where the file is gone
   * @throws as `storeError`; the object is as it was then
   */
  async upload(
    key: string,
    file: string,
    writer: string,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<string | undefined> {
    const handle = await open(file, 'r').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw fileError(error, 'the file could not be read', file);
    });
    if (handle === undefined) return undefined;
    try {
      // of what is open: the name may be another file's by now
      const size = Math.min((await handle.stat()).size, limit);
      const Body =
        size === 0 ? Buffer.alloc(0) : handle.createReadStream({ start: 0, end: size - 1, autoClose: false });
      const { ETag } = await new this.sdk.Upload({
        client: this.client,
        params: { Bucket: this.bucket, Key: key, Body, Metadata: { [writerKey]: writer } },
        partSize: Math.max(partBytes, Math.ceil(size / mostParts)),
        queueSize: partsTogether,
      }).done();
      return ETag ?? '';
    } catch (error) {
      throw storeError(error, 'the object could not be written', this.url(key));
    } finally {
      await handle.close();
    }
  }

  /**
   * Makes an object that isn't there yet.
   * @returns its ETag; undefined where there is one with another text
   * @throws as `storeError`
   */
  async putNew(key: string, text: string): Promise<string | undefined> {
    const command = { Bucket: this.bucket, Key: key, Body: text, IfNoneMatch: '*' };
    try {
      return (await this.client.send(new this.sdk.PutObjectCommand(command))).ETag ?? '';
    } catch (error) {
      if (statusOf(error) !== 412 && statusOf(error) !== 409)
        throw storeError(error, 'the object could not be made', this.url(key));
      // 409: another such request was under way. One that is tried again because the answer was lost meets its own object
      const found = await this.read(key);
      return found?.text === text ? found.etag : undefined;
    }
  }

  /**
   * Writes another text to an object that is as it was read or written.
   * @returns its new ETag; undefined where it is another by now or gone: also where the store did this, its answer was
   * lost, and the SDK asked again
   * @throws as `storeError`
   */
  async replace(key: string, text: string, etag: string): Promise<string | undefined> {
    const command = { Bucket: this.bucket, Key: key, Body: text, IfMatch: etag };
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.client.send(new this.sdk.PutObjectCommand(command))).ETag ?? '';
      } catch (error) {
        if (statusOf(error) === 412 || statusOf(error) === 404) return undefined;
        // another such request was under way
        if (statusOf(error) === 409 && attempt < attempts) continue;
        throw storeError(error, 'the object could not be replaced', this.url(key));
      }
    }
  }

  /** A small object; undefined where there is none. @throws as `storeError` */
  async read(key: string): Promise<SmallObject | undefined> {
    const command = new this.sdk.GetObjectCommand({ Bucket: this.bucket, Key: key });
    let date: string | undefined;
    command.middlewareStack.add(
      (next) => async (asked) => {
        const answer = await next(asked);
        date = (answer.response as { headers?: Record<string, string> }).headers?.date;
        return answer;
      },
      { step: 'deserialize' },
    );
    try {
      const { Body, ETag = '', LastModified } = await this.client.send(command);
      const text = (await Body?.transformToString()) ?? '';
      const age = Date.parse(date ?? '') - (LastModified?.getTime() ?? Number.NaN);
      if (!Number.isNaN(age)) return { text, etag: ETag, age };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw storeError(error, 'the object could not be read', this.url(key));
    }
    throw runError(
      `${this.url(key)} came without the time (Date) or that of its last change (Last-Modified)`,
      'Check what stands between this machine and the store, and run again.',
    );
  }

  /** Fine where there is none. @throws as `storeError` */
  async remove(key: string): Promise<void> {
    try {
      await this.client.send(new this.sdk.DeleteObjectCommand({ Bucket: this.bucket, Key: key }));
    } catch (error) {
      throw storeError(error, 'the object could not be removed', this.url(key));
    }
  }
}

function sending(signal: AbortSignal | undefined) {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** Whether this machine's disk failed, and not the store: a retry can't help then. */
function isOfDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EFBIG'].includes(
    String((error as NodeJS.ErrnoException).code),
  );
}
