// What changes in the cache beside a step's new keys and values, by `threads` threads for each change: rows that the last
// step's verdicts kept come from `fresh`, and blocks of columns from another slot whose prompt begins alike. Nothing else reads
// or writes those places in the same dispatch.
fn change(index: u32, thread: u32, threads: u32) {
  if (index < sizes.moves) {
    keepRow(sizes.moveTable + index * MOVE_WORDS, thread, threads);
  } else if (index - sizes.moves < sizes.copies) {
    copyBlock(sizes.copyTable + (index - sizes.moves) * COPY_WORDS, thread, threads);
  }
}

fn keepRow(entry: u32, thread: u32, threads: u32) {
  let source = (sizes.previous + tables[entry]) * 2 * KV_SIZE;
  let slot = tables[entry + 1];
  let column = tables[entry + 2];
  for (var i = thread * 4; i < 2 * KV_SIZE; i += threads * 4) {
    let at = source + i;
    cache[cacheIndex(slot, column, i / HEAD_SIZE, i % HEAD_SIZE) / 4] =
      vec4<E>(fresh[at], fresh[at + 1], fresh[at + 2], fresh[at + 3]);
  }
}

// A block of 16 columns stands together.
fn copyBlock(entry: u32, thread: u32, threads: u32) {
  let size = 16 * 2 * KV_SIZE / 4;
  let blocks = sizes.capacity / 16;
  let block = tables[entry + 2];
  let source = (tables[entry] * blocks + block) * size;
  let target_ = (tables[entry + 1] * blocks + block) * size;
  for (var i = thread; i < size; i += threads * 4) {
    // four loads on their way together; the last one again changes nothing
    let second = min(i + threads, size - 1);
    let third = min(i + threads * 2, size - 1);
    let fourth = min(i + threads * 3, size - 1);
    let a = cache[source + i];
    let b = cache[source + second];
    let c = cache[source + third];
    let d = cache[source + fourth];
    cache[target_ + i] = a;
    cache[target_ + second] = b;
    cache[target_ + third] = c;
    cache[target_ + fourth] = d;
  }
}
