import { Template } from '@huggingface/jinja';
import { inputError, messageOf } from '../errors.js';

/** One message of a chat, as chat templates take it. */
export interface ChatMessage {
  role: string;
  content: string;
}

/** Which ends of a message's content a template strips of white space. */
export type Trim = 'none' | 'start' | 'end' | 'both';

/** The place of a message's content in a rendered chat. */
export interface Slot {
  message: number;
  trim: Trim;
}

/** A rendered chat with its contents taken out: the template's own text, and slots. */
export type Piece = string | Slot;

// Private-use characters: no template trims, splits or escapes them, and no template holds them.
const open = '\uF8F0';
const close = '\uF8F1';
const marks = /\uF8F0([ab])(\d+)\uF8F1/g;
// A template that writes today's date would make the output depend on the clock: with this it takes the fixed date
// that such templates fall back to. (A line break after a block belongs to the block.)
const clockless = '{% set strftime_now = undefined %}\n';
// White space put before and after a content to see whether it is kept. Neither is a rotation of the other, so that
// a stretch of text with one of them can be told from that with the other.
const leading = ' \n\t ';
const trailing = '\n\t\n\t';
const delicate = 'Aa  "b" <c> & \'d\' {e} \\n\n\u00e9 </f>';

/**
 * A chat template (Jinja, as Hugging Face models carry it), split into its own text and the places of the contents.
 *
 * The template is rendered with marks in place of the contents, so that nothing in the data reaches it: a content
 * that holds a special token, or a word that the template would act on, stays plain data. Templates that strip white
 * space around contents are followed; those that alter, repeat or leave out contents are refused.
 */
export class ChatTemplate {
  private readonly template: Template;

  /**
   * @param source the template's text
   * @param where the file it came from, for errors
   * @param variables what the template sees beside messages: bos_token, eos_token and so on
   * @throws inputError when the source isn't a Jinja template
   */
  constructor(
    source: string,
    private readonly where: string,
    private readonly variables: Record<string, string>,
  ) {
    if (source.includes(open) || source.includes(close)) {
      throw inputError(`${where}: the chat template holds the private-use character U+F8F0 or U+F8F1`);
    }
    try {
      this.template = new Template(clockless + source);
    } catch (error) {
      throw inputError(`${where}: the chat template can't be read: ${messageOf(error)}`, hint, error);
    }
  }

  /**
   * The pieces of a chat whose messages have these roles.
   * @param generation whether the text that opens the model's answer is added at the end
   * @throws inputError when the template refuses the roles, or does to a content what can't be followed
   */
  layout(roles: readonly string[], generation: boolean): Piece[] {
    for (const role of roles) {
      if (!/^[A-Za-z_]{1,32}$/.test(role)) {
        throw inputError(`${JSON.stringify(role)} is no role of a chat`, 'Use system, user or assistant.');
      }
    }
    const bare = this.render(
      roles.map((role, i) => ({ role, content: mark('a', i) })),
      generation,
    );
    const probe = this.render(
      roles.map((role, i) => ({
        role,
        content: leading + mark('a', i) + delicate + mark('b', i) + trailing,
      })),
      generation,
    );
    return this.compare(roles, split(bare), split(probe));
  }

  private render(messages: ChatMessage[], generation: boolean): string {
    try {
      return this.template.render({
        bos_token: '',
        eos_token: '',
        ...this.variables,
        messages,
        add_generation_prompt: generation,
      });
    } catch (error) {
      const roles = messages.map((message) => message.role).join(', ');
      throw inputError(
        `${this.where}: the chat template can't take messages with the roles ${roles}: ${messageOf(error)}`,
        hint,
        error,
      );
    }
  }

  /** What the template does around each content: the text between the marks of both renderings tells. */
  private compare(roles: readonly string[], bare: Split, probe: Split): Piece[] {
    roles.forEach((role, i) => {
      const seen = bare.marks.filter((found) => found.message === i).length;
      if (seen !== 1)
        throw this.refuse(
          `${seen === 0 ? 'leaves out' : 'repeats'} the content of message ${i + 1} (${role})`,
        );
    });
    const order = bare.marks.map((found) => found.message);
    const same =
      probe.marks.length === 2 * order.length &&
      order.every(
        (message, i) =>
          isMark(probe.marks[2 * i], 'a', message) && isMark(probe.marks[2 * i + 1], 'b', message),
      );
    if (!same) throw this.refuse('alters the contents of messages');
    const kept = { start: new Set<number>(), end: new Set<number>() };
    for (let gap = 0; gap < bare.texts.length; gap++) {
      this.compareGap(
        bare.texts[gap] as string,
        probe.texts[2 * gap] as string,
        order[gap - 1],
        order[gap],
        kept,
      );
    }
    for (let i = 0; i < order.length; i++) {
      if (probe.texts[2 * i + 1] !== delicate) throw this.refuse('alters the contents of messages');
    }
    const pieces: Piece[] = [];
    bare.texts.forEach((text, gap) => {
      if (text !== '') pieces.push(text);
      const message = order[gap];
      if (message !== undefined)
        pieces.push({ message, trim: trimOf(kept.start.has(message), kept.end.has(message)) });
    });
    return pieces;
  }

  /** One stretch of the template's text: which of the margins of the contents beside it are still there. */
  private compareGap(
    bare: string,
    probe: string,
    before: number | undefined,
    after: number | undefined,
    kept: { start: Set<number>; end: Set<number> },
  ): void {
    const ends = before === undefined ? [''] : ['', trailing];
    const starts = after === undefined ? [''] : ['', leading];
    for (const end of ends) {
      for (const start of starts) {
        if (probe !== end + bare + start) continue;
        if (end !== '') kept.end.add(before as number);
        if (start !== '') kept.start.add(after as number);
        return;
      }
    }
    throw this.refuse('changes with the contents of messages, or alters them');
  }

  private refuse(what: string): Error {
    return inputError(`${this.where}: the chat template ${what}, which is not supported`, hint);
  }
}

const hint =
  'Give the model folder a chat template that puts each content in once and unchanged (chat_template.jinja beside tokenizer.json replaces the one in tokenizer_config.json).';

/** A content as it goes into its slot. White space is what Python's str.strip takes, as templates expect. */
export function trimmed(content: string, trim: Trim): string {
  let from = 0;
  let to = content.length;
  if (trim === 'both' || trim === 'start') while (from < to && isPythonSpace(content, from)) from++;
  if (trim === 'both' || trim === 'end') while (to > from && isPythonSpace(content, to - 1)) to--;
  return content.slice(from, to);
}

function isPythonSpace(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  if ((code >= 0x1c && code <= 0x1f) || code === 0x85) return true;
  return code !== 0xfeff && /\s/.test(text.charAt(index));
}

interface Mark {
  kind: string;
  message: number;
}

interface Split {
  /** Stretches of text around the marks: one more than marks. */
  texts: string[];
  marks: Mark[];
}

function split(rendered: string): Split {
  const found: Split = { texts: [], marks: [] };
  let from = 0;
  for (const match of rendered.matchAll(marks)) {
    found.texts.push(rendered.slice(from, match.index));
    found.marks.push({ kind: match[1] as string, message: Number(match[2]) });
    from = match.index + match[0].length;
  }
  found.texts.push(rendered.slice(from));
  return found;
}

function mark(kind: 'a' | 'b', message: number): string {
  return `${open}${kind}${message}${close}`;
}

function isMark(found: Mark | undefined, kind: string, message: number): boolean {
  return found?.kind === kind && found.message === message;
}

function trimOf(startKept: boolean, endKept: boolean): Trim {
  if (startKept) return endKept ? 'none' : 'end';
  return endKept ? 'start' : 'both';
}
