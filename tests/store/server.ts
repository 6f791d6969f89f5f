/** A server that speaks S3, in the environment that tests/etl/setup makes, behind a proxy that counts and disturbs. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { packageRoot } from '../../src/paths.js';

/** A request as the proxy sees it. */
export interface Seen {
  method: string;
  /** `/bucket/key`, unescaped, without the query. */
  path: string;
}

/** What the proxy does with a request: pass it on if undefined. `forget` passes it on, and loses the answer. */
export type Disturbance = 'refuse' | 'drop' | 'truncate' | 'forget' | 'undated' | undefined;

/** Called before a request is passed on; what it does until it settles has happened before. */
export type Disturb = (seen: Seen) => Disturbance | Promise<Disturbance>;

export interface S3Server {
  /** Of the proxy: what programs under test are told. */
  endpoint: string;
  /** All requests since it was emptied. */
  seen: Seen[];
  disturb: Disturb;
  /** Milliseconds that the store's clock is ahead of ours: in the time of its answers and of its objects' changes. */
  ahead: number;
  /** Settles when the next request comes that `is` takes. */
  next(is: (seen: Seen) => boolean): Promise<void>;
  client: S3Client;
  put(bucket: string, key: string, text: string | Uint8Array): Promise<void>;
  text(bucket: string, key: string): Promise<string>;
  bytes(bucket: string, key: string): Promise<Uint8Array>;
  /** The first thousand. */
  keys(bucket: string): Promise<string[]>;
  /** Whether the server looks at credentials from now on; it knows none. */
  checkCredentials(on: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** What a process needs to be let in. */
export const credentials = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
};

/** Starts server and proxy, and makes buckets. */
export async function startServer(buckets: readonly string[]): Promise<S3Server> {
  const server = spawn(
    join(packageRoot, 'tests/etl/.venv-s3/bin/moto_server'),
    ['-H', '127.0.0.1', '-p', '0'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      // pages of a few objects, so that every list has several
      env: { ...process.env, PYTHONUNBUFFERED: '1', MOTO_S3_DEFAULT_MAX_KEYS: '7' },
    },
  );
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const behind = await portOf(server);
  const proxy = new Between(behind);
  const endpoint = await proxy.listen();
  const direct = `http://127.0.0.1:${behind}`;
  const client = new S3Client({
    endpoint: direct,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  for (const Bucket of buckets) await client.send(new CreateBucketCommand({ Bucket }));
  const bytes = async (Bucket: string, Key: string) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  };
  return {
    endpoint,
    get seen() {
      return proxy.seen;
    },
    set seen(seen) {
      proxy.seen = seen;
    },
    get disturb() {
      return proxy.disturb;
    },
    set disturb(disturb) {
      proxy.disturb = disturb;
    },
    get ahead() {
      return proxy.ahead;
    },
    set ahead(ahead) {
      proxy.ahead = ahead;
    },
    next: (is) => proxy.next(is),
    client,
    async put(Bucket, Key, Body) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    },
    text: async (bucket, key) => Buffer.from(await bytes(bucket, key)).toString(),
    bytes,
    async keys(Bucket) {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1000 }));
      return Contents.map(({ Key = '' }) => Key);
    },
    async checkCredentials(on) {
      await fetch(`${direct}/moto-api/reset-auth`, { method: 'POST', body: on ? '0' : '1000000' });
    },
    async stop() {
      client.destroy();
      await proxy.close();
      server.kill();
    },
  };
}

class Between {
  seen: Seen[] = [];
  disturb: Disturb = () => undefined;
  ahead = 0;
  /** Path -> how far the clock was ahead when the object was written. */
  private readonly aheadThen = new Map<string, number>();
  private waiting: { is: (seen: Seen) => boolean; settle: () => void }[] = [];
  private readonly server: Server;

  constructor(private readonly behind: number) {
    this.server = createServer((asked, answer) => void this.handle(asked, answer));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  next(is: (seen: Seen) => boolean): Promise<void> {
    return new Promise((settle) => this.waiting.push({ is, settle }));
  }

  private async handle(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const path = decodeURIComponent(new URL(asked.url ?? '/', 'http://localhost').pathname);
    const seen = { method: asked.method ?? '', path };
    this.seen.push(seen);
    const disturbance = await this.disturb(seen);
    if (disturbance === 'drop') {
      asked.socket.destroy();
      return;
    }
    if (disturbance === 'refuse') {
      asked.resume();
      asked.on('end', () => {
        answer.writeHead(403, { 'content-type': 'application/xml', connection: 'close' });
        answer.end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
      });
      return;
    }
    const { method, url: target, headers } = asked;
    const passed = request(
      { port: this.behind, host: '127.0.0.1', method, path: target, headers },
      (given) => {
        const { statusCode = 500, headers: all } = given;
        if (method === 'PUT' && statusCode === 200) this.aheadThen.set(path, this.ahead);
        if (disturbance === 'truncate') this.truncate(given, answer);
        else if (disturbance === 'forget') given.resume().on('end', () => asked.socket.destroy());
        else {
          const { date, ...undated } = this.dated(all, path);
          answer.sendDate = false;
          answer.writeHead(statusCode, disturbance === 'undated' ? undated : { ...undated, date });
          given.pipe(answer);
        }
        given.on('end', () => {
          const ready = this.waiting.filter(({ is }) => is(seen));
          this.waiting = this.waiting.filter((one) => !ready.includes(one));
          for (const { settle } of ready) settle();
        });
      },
    );
    passed.on('error', () => asked.socket.destroy());
    asked.pipe(passed);
  }

  /** Headers by the store's clock. */
  private dated(headers: IncomingHttpHeaders, path: string): IncomingHttpHeaders {
    const { date, 'last-modified': modified } = headers;
    const later = (time: string, by: number) => new Date(Date.parse(time) + by).toUTCString();
    return {
      ...headers,
      ...(date === undefined ? {} : { date: later(date, this.ahead) }),
      ...(modified === undefined ? {} : { 'last-modified': later(modified, this.aheadThen.get(path) ?? 0) }),
    };
  }

  /** A shorter answer that is whole by its own account, and says nothing of checksums. */
  private truncate(given: IncomingMessage, answer: ServerResponse): void {
    const chunks: Buffer[] = [];
    given.on('data', (chunk: Buffer) => chunks.push(chunk));
    given.on('end', () => {
      const body = Buffer.concat(chunks).subarray(0, -1);
      const kept = Object.entries(given.headers).filter(([name]) => !/checksum|content-length/.test(name));
      answer.writeHead(given.statusCode ?? 500, {
        ...Object.fromEntries(kept),
        'content-length': body.length,
      });
      answer.end(body);
    });
  }
}

function portOf(server: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-4000);
      const port = /Running on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    server.on('error', reject);
    server.on('close', (code) => reject(new Error(`the S3 server ended with ${code}: ${said}`)));
  });
}
