// A row that the last step's verdicts kept goes from `fresh` into the cache, by `threads` threads. Nothing else reads or writes
// either place in the same dispatch.
fn keepRow(move_: u32, thread: u32, threads: u32) {
  let entry = sizes.moveTable + move_ * MOVE_WORDS;
  let source = (sizes.previous + tables[entry]) * 2 * KV_SIZE;
  let slot = tables[entry + 1];
  let column = tables[entry + 2];
  for (var i = thread; i < 2 * KV_SIZE; i += threads) {
    cache[cacheIndex(slot, column, i / HEAD_SIZE, i % HEAD_SIZE)] = fresh[source + i];
  }
}
