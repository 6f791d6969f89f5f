/** Documents made of others' pieces: for more tokens than there are texts. */

/** Tokens of a piece and pieces of a document: about a sentence, and a text of seven. */
const pieceLength = 12;
const pieces = 7;
/** Share of tokens that are replaced by one from anywhere, so that new n-grams keep coming as in real texts. */
const noise = 0.05;

/**
 * About `tokens` tokens of documents, each made of pieces of the given ones; always the same for the same input.
 * @param documents at least one that isn't empty
 */
export function recombine(documents: readonly Int32Array[], tokens: number): Int32Array[] {
  const length = documents.reduce((sum, document) => sum + document.length, 0);
  const text = new Int32Array(length);
  let at = 0;
  for (const document of documents) {
    text.set(document, at);
    at += document.length;
  }
  const random = generator();
  const made: Int32Array[] = [];
  for (let done = 0; done < tokens; ) {
    const document = new Int32Array(Math.min(pieces * pieceLength, tokens - done));
    for (let i = 0; i < document.length; i += pieceLength) {
      const start = Math.floor(random() * Math.max(1, length - pieceLength));
      document.set(text.subarray(start, start + Math.min(pieceLength, document.length - i, length)), i);
    }
    for (let i = 0; i < document.length; i++)
      if (random() < noise) document[i] = text[Math.floor(random() * length)] as number;
    made.push(document);
    done += document.length;
  }
  return made;
}

/** Uniform numbers in [0, 1): mulberry32, the same in every run. */
function generator(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
