// What every kernel of a step may read: sizes, and one buffer with all the step's small tables (src/engine/webgpu/tables.ts
// writes both). Row: one token in the model. Tile: rows of one sequence that attend together.
struct Sizes {
  rows: u32,
  tiles: u32,
  moves: u32,
  verdicts: u32,
  // where each table begins in `tables`
  tileTable: u32,
  moveTable: u32,
  maskTable: u32,
  verdictTable: u32,
  // words of a row's mask
  maskWords: u32,
  // parts that the columns of a tile are divided into
  splits: u32,
  // columns of a slot in the KV cache
  capacity: u32,
  // where this step's and the last step's new keys and values begin in `fresh`, in rows
  current: u32,
  previous: u32,
  topK: u32,
  // blocks of columns that are copied, and their table
  copies: u32,
  copyTable: u32,
}

// tables: rows of (token, position); then the other tables
const ROW_WORDS = 2u;
const MOVE_WORDS = 3u;
const COPY_WORDS = 3u;
const TILE_WORDS = 8u;
const VERDICT_WORDS = 3u;
