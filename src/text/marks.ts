/** From `start` up to but not including `end`, in UTF-16 code units of a text. */
export interface Mark {
  start: number;
  end: number;
}

/**
 * Where some tokens stand in a text. A token that is a part of a character (byte-level tokens are) marks the whole one.
 * @param positions of the tokens among `ids`, in order
 * @param decode of ids to text; a character that isn't whole may come out as another one
 */
export function marksOf(
  text: string,
  ids: readonly number[],
  positions: readonly number[],
  decode: (ids: Int32Array) => string,
): Mark[] {
  // how much of the text so many tokens make
  const reach = (count: number) => common(text, decode(Int32Array.from(ids.slice(0, count))));
  const marks: Mark[] = [];
  for (const position of positions) {
    const start = reach(position);
    let end = reach(position + 1);
    for (let more = 2; end <= start && position + more <= ids.length; more++) end = reach(position + more);
    const before = marks.at(-1);
    if (before !== undefined && before.end >= start) before.end = Math.max(before.end, end);
    else if (end > start) marks.push({ start, end });
  }
  return marks;
}

/** Length of what two texts begin with alike, in UTF-16 code units; never half of a character. */
export function common(one: string, other: string): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length++;
  // not between the halves of a character
  return /[\ud800-\udbff]/.test(one[length - 1] ?? '') ? length - 1 : length;
}
