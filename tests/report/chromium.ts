/** Pages in headless Chromium (Debian's package chromium), in a process of its own. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lacking } from '../lacking.js';

export const program = '/usr/bin/chromium';
export const hasChromium = existsSync(program);
/** Says that no page is opened. */
export const withoutChromium = () => lacking('chromium', `apt-get install chromium (${program})`);

/** Nothing leaves the machine: the proxy that it is told of isn't there. */
export const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  ...['--disable-background-networking', '--proxy-server=127.0.0.1:1'],
];

/** What became of a page. */
export interface Opened {
  code: number | null;
  /** The document after it was loaded, as HTML. */
  dom: string;
  /** What it asked of the network. */
  asked: string[];
  /** Lines of the console: errors of scripts, what the content security policy kept out. */
  console: string[];
}

/** Opens a file. */
export async function open(file: string): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'dare-chromium-'));
  const log = join(folder, 'net.json');
  try {
    const { code, stdout, stderr } = await run([
      ...[...flags, '--enable-logging=stderr'],
      ...[`--user-data-dir=${join(folder, 'profile')}`, `--log-net-log=${log}`],
      ...['--virtual-time-budget=3000', '--dump-dom', `file://${file}`],
    ]);
    return {
      code,
      dom: stdout,
      asked: requestsIn(readFileSync(log, 'utf8')),
      console: stderr.split('\n').filter((line) => line.includes('CONSOLE')),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface NetLog {
  events: { params?: { url?: string; initiator?: string } }[];
}

/** What the page asked for; Chromium itself, which asks for updates and the time, is "not an origin". */
function requestsIn(log: string): string[] {
  const { events } = JSON.parse(log) as NetLog;
  const asked = events.flatMap(({ params: { url, initiator } = {} }) =>
    url === undefined || initiator === undefined || initiator === 'not an origin' ? [] : [url],
  );
  return [...new Set(asked)];
}

function run(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const finished = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        finished[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...finished }));
  });
}
