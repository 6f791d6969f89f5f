const counters = 2 ** 20;
const gramWords = 4;
const unspaced = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}`;
const words = new RegExp(`[${unspaced}]|[^\\s${unspaced}]+`, 'gu');

/**
 * How much texts have in common: the 4-grams of their words, counted by their hash in a table of a fixed size. A
 * character of a script that is written without spaces counts as a word.
 */
export class SharedGrams {
  private readonly texts = new Uint32Array(counters);

  add(text: string): void {
    for (const gram of gramsOf(text)) this.texts[gram] = (this.texts[gram] as number) + 1;
  }

  /**
   * In how many of the texts added the distinct grams of this one occur, on average; from 1 on for a text that was
   * added. What a text repeats counts once.
   */
  score(text: string): number {
    const grams = gramsOf(text);
    let sum = 0;
    for (const gram of grams) sum += this.texts[gram] as number;
    return grams.size === 0 ? 0 : sum / grams.size;
  }
}

/** The counters of a text's distinct grams. A text of fewer than four words is one gram. */
function gramsOf(text: string): Set<number> {
  const hashes = (text.match(words) ?? []).map(hashOf);
  const size = Math.min(gramWords, hashes.length);
  const grams = new Set<number>();
  for (let at = 0; size > 0 && at + size <= hashes.length; at++) {
    let gram = 0;
    for (let i = at; i < at + size; i++) gram = mix(gram, hashes[i] as number);
    grams.add((gram ^ (gram >>> 15)) & (counters - 1));
  }
  return grams;
}

/** FNV-1a over UTF-16 code units. */
function hashOf(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  return hash;
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 13);
}
