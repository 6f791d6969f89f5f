/** The parts of a tokenizer.json that are looked at here; the rest is the library's. */
export interface TokenizerJson {
  added_tokens: AddedToken[];
  model: {
    type?: string | undefined;
    vocab: Record<string, number> | [string, number][];
    merges?: (string | string[])[];
    unk_token?: string | null;
  };
  pre_tokenizer?: unknown;
  [key: string]: unknown;
}

export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
}

/**
 * The added tokens that steer a model and that data must never become: those marked special, those whose text the
 * chat template uses, and those written like `<tool_call>` or `[TOOL]`. Others (runs of spaces, for one) are ordinary
 * vocabulary. A token of one character stays ordinary: some models mark `!` as padding, and without it text is lost.
 */
export function controlTokens(tokenizer: TokenizerJson, template: string): AddedToken[] {
  return tokenizer.added_tokens.filter(
    ({ content, special }) =>
      [...content].length > 1 &&
      (special || /^(<.+>|\[.+\])$/s.test(content) || (content.trim() !== '' && template.includes(content))),
  );
}

/**
 * A tokenizer.json in which the control tokens can't be reached from text: they are no added tokens any more, their
 * entries in the vocabulary carry a name that no text has (with a lone surrogate), and no merge makes them.
 */
export function withoutControls(tokenizer: TokenizerJson, controls: readonly AddedToken[]): TokenizerJson {
  const hidden = new Map(controls.map(({ content, id }) => [content, `\uDC00${id}`]));
  const rename = (token: string): string => hidden.get(token) ?? token;
  const { vocab, merges, unk_token } = tokenizer.model;
  const model = {
    ...tokenizer.model,
    vocab: Array.isArray(vocab)
      ? vocab.map(([token, score]): [string, number] => [rename(token), score])
      : Object.fromEntries(Object.entries(vocab).map(([token, id]) => [rename(token), id])),
    ...(merges === undefined ? {} : { merges: merges.filter((merge) => !hidden.has(merged(merge))) }),
    ...(typeof unk_token === 'string' ? { unk_token: rename(unk_token) } : {}),
  };
  return {
    ...tokenizer,
    model,
    added_tokens: tokenizer.added_tokens.filter(({ content }) => !hidden.has(content)),
    // The template says what stands around a text; a tokenizer's own beginning-of-text token isn't added here.
    post_processor: null,
  };
}

/**
 * The same tokenizer for a stretch of text that isn't the first of its sequence: `prepend_scheme: first` of a
 * Metaspace pre-tokenizer puts a space before the first only. Undefined when there is no difference.
 */
export function forLaterText(tokenizer: TokenizerJson): TokenizerJson | undefined {
  let changed = false;
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        if (key !== 'prepend_scheme' || inner !== 'first') return [key, visit(inner)];
        changed = true;
        return [key, 'never'];
      }),
    );
  };
  const pre_tokenizer = visit(tokenizer.pre_tokenizer);
  return changed ? { ...tokenizer, pre_tokenizer } : undefined;
}

/** Largest token id plus one. */
export function idLimit(tokenizer: TokenizerJson): number {
  const { vocab } = tokenizer.model;
  const ids = Array.isArray(vocab) ? [vocab.length - 1] : Object.values(vocab);
  const largest = [...ids, ...tokenizer.added_tokens.map(({ id }) => id)].reduce(
    (a, b) => Math.max(a, b),
    -1,
  );
  return largest + 1;
}

function merged(merge: string | string[]): string {
  return Array.isArray(merge) ? merge.join('') : merge.split(' ', 2).join('');
}
