// The KV cache: of 16 columns of a slot the keys and values of each head stand together, 16 elements of each column after
// the other, [slot, block of 16 columns, key or value, KV_HEADS, block of 16 elements, column, element]: a matrix of 16 x 16
// lies in one piece (H200: attention takes two thirds of the time that it takes with [column, key or value, head, element]).

// The place of an element; `part` is the head for keys, KV_HEADS and the head for values.
fn cacheIndex(slot: u32, column: u32, part: u32, element: u32) -> u32 {
  let block = (slot * sizes.capacity + column) / 16 * 2 * KV_HEADS + part;
  return block * 16 * HEAD_SIZE + element / 16 * 256 + column % 16 * 16 + element % 16;
}
