import { createHash } from 'node:crypto';
import { inputError } from '../errors.js';
import { type ChatMessage, ChatTemplate, type Piece, type Slot, trimmed } from './chat.js';
import { buildCodec, type Codec, encodeWith } from './codec.js';
import { type ModelFolder, readModelFolder } from './folder.js';
import { RecentTexts } from './recent-texts.js';
import { type AddedToken, controlTokens, forLaterText, idLimit, withoutControls } from './special.js';

/** A chat between two control tokens: text of the template around contents, encoded as one. */
interface TextSection {
  parts: (string | Slot)[];
  first: boolean;
  /** Set by the control token beside it: `rstrip` of the one before, `lstrip` of the one after. */
  trimStart: boolean;
  trimEnd: boolean;
}

/** What a chat of given roles encodes to: fixed ids, and sections that hold contents. */
type Section = { ids: readonly number[]; control: boolean } | TextSection;

/**
 * A model's tokenizer and chat template, with data kept apart from control: no text of a prompt, a message or a
 * pool ever becomes a special token, and everything else is encoded exactly as Hugging Face does it.
 * (One difference is known: the library takes U+FEFF, the zero width no-break space, for white space where it splits
 * words.)
 *
 * A chat is the template's text with the contents in it, cut at the template's own control tokens; each stretch
 * between them is encoded by a tokenizer that has none. The template alone says which control tokens stand where: a
 * tokenizer's own beginning-of-text token isn't added (as in transformers' apply_chat_template).
 *
 * Not for several threads: each worker loads its own.
 */
export class TextModel {
  /** Ids that end an answer: of generation_config.json and config.json, and the tokenizer's eos_token. */
  readonly endTokens: ReadonlySet<number>;
  /** Largest id plus one, or config.json's vocab_size where that is larger (padded weights). */
  readonly vocabularySize: number;
  /** sha256 (hex) over tokenizer.json, the chat template and the end tokens: pools of another tokenizer differ. */
  readonly fingerprint: string;

  private readonly whole: Codec;
  private readonly plain: Codec;
  private readonly later: Codec;
  private readonly controls: Map<string, AddedToken>;
  private readonly controlPattern: RegExp | undefined;
  private readonly controlIds: ReadonlySet<number>;
  private readonly layouts = new Map<string, Section[]>();
  /** Ids of sections: examples come again in every prompt, and encoding them would take longer than a GPU decodes a text. */
  private readonly recent = {
    first: new RecentTexts<readonly number[]>(),
    later: new RecentTexts<readonly number[]>(),
  };
  private chat: ChatTemplate | undefined;
  private answerStart: Int32Array | undefined;

  private constructor(private readonly folder: ModelFolder) {
    const json = folder.tokenizer;
    const controls = controlTokens(json, folder.template?.source ?? '');
    const plain = withoutControls(json, controls);
    const later = forLaterText(plain);
    this.whole = buildCodec(json, folder.tokenizerConfig, folder.path);
    this.plain = buildCodec(plain, folder.tokenizerConfig, folder.path);
    this.later = later === undefined ? this.plain : buildCodec(later, folder.tokenizerConfig, folder.path);
    this.controls = new Map(controls.map((token) => [token.content, token]));
    this.controlIds = new Set(controls.map((token) => token.id));
    this.controlPattern = patternOf(controls);
    this.endTokens = new Set([...folder.endIds, ...this.idsOf(folder.endToken)].sort((a, b) => a - b));
    this.vocabularySize = Math.max(idLimit(json), folder.vocabSize ?? 0);
    this.fingerprint = createHash('sha256')
      .update(folder.tokenizerText)
      .update('\0')
      .update(folder.template?.source ?? '')
      .update('\0')
      .update([...this.endTokens].join(','))
      .digest('hex');
  }

  /**
   * Reads tokenizer.json, tokenizer_config.json, chat_template.jinja, generation_config.json and config.json of a
   * Hugging Face folder; all but the first may be missing.
   * @param name what errors call the model, where the folder was made of another file
   * @throws inputError that names the file which is missing, broken or not supported
   */
  static load(folder: string, name: string = folder): TextModel {
    return new TextModel(readModelFolder(folder, name));
  }

  /** Ids of a chat with this one user message, ready for the model's answer. @throws as encodeChat */
  encodePrompt(prompt: string): Int32Array {
    return this.fill(this.sections(['user'], true), [prompt]);
  }

  /**
   * Ids of a chat, ready for the model's answer.
   * @throws inputError without a chat template, or when the template can't take these roles
   */
  encodeChat(messages: readonly ChatMessage[]): Int32Array {
    const roles = messages.map((message) => message.role);
    const contents = messages.map((message) => message.content);
    return this.fill(this.sections(roles, true), contents);
  }

  /** Ids of a text alone: no chat around it, no beginning or end, special tokens in it as plain text. */
  encodeText(text: string): Int32Array {
    return Int32Array.from(this.encode(text, true));
  }

  /** The text of output ids. Special tokens and ids without a token give nothing; broken UTF-8 gives U+FFFD. */
  decode(ids: Iterable<number>): string {
    const known = [...ids].filter(
      (id) => !this.controlIds.has(id) && this.whole.id_to_token(id) !== undefined,
    );
    if (known.length === 0) return '';
    return this.whole.decode(known, { clean_up_tokenization_spaces: this.folder.cleanUpSpaces });
  }

  /**
   * The ids that the template puts between a user's message and the model's answer, without the control token that
   * closes the message: `\n<|im_start|>assistant\n` for ChatML. Where nothing follows that token (`[/INST]`) it is
   * the answer's start itself; where the template has no control token there, it is what the encodings of
   * different prompts have in common at their ends. Empty without a chat template.
   */
  get generationPrompt(): Int32Array {
    this.answerStart ??= this.folder.template === undefined ? new Int32Array() : this.findAnswerStart();
    return this.answerStart;
  }

  /**
   * The end token that a finished answer has: what the template puts after one, else the tokenizer's eos_token, else the
   * first of the end tokens. Undefined for a model without end tokens.
   */
  get answerEnd(): number | undefined {
    const eos = this.idsOf(this.folder.endToken)[0];
    return this.templateEnd() ?? eos ?? [...this.endTokens][0];
  }

  private templateEnd(): number | undefined {
    if (this.folder.template === undefined) return undefined;
    const sections = this.sections(['user', 'assistant'], false);
    const after = sections.slice(sections.findLastIndex((section) => 'parts' in section) + 1);
    return after
      .flatMap((section) => ('ids' in section ? section.ids : []))
      .find((id) => this.endTokens.has(id));
  }

  private findAnswerStart(): Int32Array {
    const sections = this.sections(['user'], true);
    const rest = sections.slice(sections.findLastIndex((section) => 'parts' in section) + 1);
    const ids = rest.flatMap((section) => ('ids' in section ? section.ids : []));
    if (ids.length > 0) return Int32Array.from(ids.length > 1 ? ids.slice(1) : ids);
    return commonEnd(['a', '7 .', 'Movie: X'].map((prompt) => this.encodePrompt(prompt)));
  }

  private encode(text: string, first: boolean): number[] {
    return encodeWith(first ? this.plain : this.later, text, this.folder.path);
  }

  private fill(sections: readonly Section[], contents: readonly string[]): Int32Array {
    const ids: number[] = [];
    for (const section of sections) {
      for (const id of 'ids' in section ? section.ids : this.encodeSection(section, contents)) ids.push(id);
    }
    return Int32Array.from(ids);
  }

  private encodeSection(section: TextSection, contents: readonly string[]): readonly number[] {
    let text = '';
    for (const part of section.parts) {
      text += typeof part === 'string' ? part : trimmed(contents[part.message] as string, part.trim);
    }
    if (section.trimStart) text = text.trimStart();
    if (section.trimEnd) text = text.trimEnd();
    const recent = section.first ? this.recent.first : this.recent.later;
    return recent.of(text, () => this.encode(text, section.first));
  }

  /** The sections of a chat of these roles, kept for the next one. Few-shot prompts bring a handful of role lists. */
  /** Whether chats can be encoded at all. */
  get hasChatTemplate(): boolean {
    return this.folder.template !== undefined;
  }

  private sections(roles: readonly string[], generation: boolean): Section[] {
    const key = JSON.stringify(roles);
    const known = this.layouts.get(key);
    if (known !== undefined) return known;
    const made = this.cut(this.chatTemplate().layout(roles, generation));
    if (this.layouts.size >= 256) this.layouts.clear();
    this.layouts.set(key, made);
    return made;
  }

  private chatTemplate(): ChatTemplate {
    const { template, path, variables } = this.folder;
    if (template === undefined) {
      throw inputError(
        `${path} has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja)`,
        'Use a chat model, or put its chat_template.jinja into the folder.',
      );
    }
    this.chat ??= new ChatTemplate(template.source, template.file, variables);
    return this.chat;
  }

  /** Cuts the template's text at its control tokens; stretches without a content are encoded once and for all. */
  private cut(pieces: readonly Piece[]): Section[] {
    const sections: Section[] = [];
    let parts: (string | Slot)[] = [];
    let before: AddedToken | undefined;
    let first = true;
    const finish = (after: AddedToken | undefined): void => {
      if (parts.length > 0) {
        const text: TextSection = {
          parts,
          first,
          trimStart: before?.rstrip === true,
          trimEnd: after?.lstrip === true,
        };
        const fixed = parts.every((part) => typeof part === 'string');
        sections.push(fixed ? { ids: this.encodeSection(text, []), control: false } : text);
      }
      if (after !== undefined) sections.push({ ids: [after.id], control: true });
      parts = [];
      before = after;
      first = false;
    };
    for (const piece of pieces) {
      if (typeof piece !== 'string') {
        parts.push(piece);
        continue;
      }
      for (const text of this.controlPattern === undefined ? [piece] : piece.split(this.controlPattern)) {
        const control = this.controls.get(text);
        if (control !== undefined) finish(control);
        else if (text !== '') parts.push(text);
      }
    }
    finish(undefined);
    return sections;
  }

  private idsOf(token: string | undefined): number[] {
    const id = token === undefined ? undefined : this.whole.token_to_id(token);
    return id === undefined ? [] : [id];
  }
}

/** Matches any control token, the longest first, and keeps it when used to split. */
function patternOf(controls: readonly AddedToken[]): RegExp | undefined {
  if (controls.length === 0) return undefined;
  const texts = controls.map(({ content }) => content).sort((a, b) => b.length - a.length);
  return new RegExp(`(${texts.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})`);
}

function commonEnd(sequences: readonly Int32Array[]): Int32Array {
  const [head = new Int32Array(), ...others] = sequences;
  let length = 0;
  while (length < head.length && others.every((ids) => ids.at(-1 - length) === head.at(-1 - length)))
    length++;
  return head.slice(head.length - length);
}
