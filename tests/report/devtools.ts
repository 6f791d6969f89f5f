/** A page in headless Chromium, asked over its DevTools protocol (chromedevtools.github.io/devtools-protocol) by a pipe. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { flags, program } from './chromium.js';

interface Message {
  id?: number;
  method?: string;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** How a page is looked at. */
export interface View {
  /** CSS pixels. */
  width: number;
  scheme: 'light' | 'dark';
}

/** A page that is open. */
export class OpenPage {
  private session: string | undefined;
  private last = 0;
  private readonly answers = new Map<number, (message: Message) => void>();
  private readonly events = new Map<string, () => void>();
  private rest = '';
  private readonly ended: Promise<never>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    this.ended = once(child, 'close').then(() => {
      throw new Error('Chromium ended before it answered');
    });
    this.ended.catch(() => undefined);
    const answers = child.stdio[4] as Readable;
    answers.setEncoding('utf8').on('data', (text: string) => this.read(text));
  }

  /** Opens a file, which may have a policy against scripts: what is evaluated here isn't the page's. */
  static async open(file: string): Promise<OpenPage> {
    const folder = mkdtempSync(join(tmpdir(), 'dare-chromium-'));
    const profile = `--user-data-dir=${join(folder, 'profile')}`;
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] as const;
    const child = spawn(program, [...flags, profile, '--remote-debugging-pipe', 'about:blank'], {
      stdio: [...stdio],
    });
    const page = new OpenPage(child, folder);
    const { targetId } = await page.ask('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await page.ask('Target.attachToTarget', { targetId, flatten: true });
    page.session = String(sessionId);
    await page.ask('Page.enable');
    const loaded = new Promise<void>((resolve) => page.events.set('Page.loadEventFired', resolve));
    await page.ask('Page.navigate', { url: `file://${file}` });
    await loaded;
    return page;
  }

  /** As a phone shows it: scroll bars take no room. */
  async look({ width, scheme }: View): Promise<void> {
    await this.ask('Emulation.setDeviceMetricsOverride', {
      ...{ width, height: 800, deviceScaleFactor: 1, mobile: true },
    });
    await this.ask('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    });
  }

  /** The value of an expression, as plain JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result } = await this.ask('Runtime.evaluate', { expression, returnByValue: true });
    return (result as { value: T }).value;
  }

  /** The page on paper, as the bytes of a PDF in latin1. */
  async print(): Promise<string> {
    const { data } = await this.ask('Page.printToPDF');
    return Buffer.from(String(data), 'base64').toString('latin1');
  }

  async close(): Promise<void> {
    const gone = once(this.child, 'close');
    this.session = undefined;
    await this.ask('Browser.close');
    await gone;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private async ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.last;
    const session = this.session === undefined ? {} : { sessionId: this.session };
    const answer = new Promise<Message>((resolve) => this.answers.set(id, resolve));
    (this.child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const { result = {}, error } = await Promise.race([answer, this.ended]);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Messages end with a zero byte. */
  private read(text: string): void {
    const parts = (this.rest + text).split('\0');
    this.rest = parts.pop() ?? '';
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      this.answers.get(message.id ?? 0)?.(message);
      this.events.get(message.method ?? '')?.();
    }
  }
}
