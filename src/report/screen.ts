/** Where text for people goes: whole lines, and on a terminal one status line below them that overwrites itself. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export class Screen {
  private shown = '';

  constructor(private readonly output: Output) {}

  /** Whether a status line can be drawn. */
  get interactive(): boolean {
    return this.output.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** Writes whole lines above the status line. */
  line(text: string): void {
    const status = this.shown;
    this.status('');
    this.output.write(text.endsWith('\n') ? text : `${text}\n`);
    this.status(status);
  }

  /** Replaces the status line, cut to the terminal's width; '' removes it. Does nothing where there is no terminal. */
  status(text: string): void {
    if (!this.interactive || (text === '' && this.shown === '')) return;
    const width = (this.output.columns ?? 80) - 1;
    const plain = text.replaceAll(/\p{Cc}/gu, ' ');
    const cut = plain.length > width ? `${plain.slice(0, Math.max(0, width - 1))}…` : plain;
    this.output.write(`\r\u001b[2K${cut}`);
    this.shown = cut;
  }
}
