// Of models whose queries and keys get a norm, which takes a whole head: workgroups 0 .. rows-1 give queries and keys of a row
// their norm and their rotary position (half rotation, arXiv 2104.09864); keys and values go to `fresh`. The further workgroups
// make the changes in the cache: see changes.wgsl. Of other models a product does all that: epilogue-heads.wgsl.
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<E>;
// cos and sin of each position: [context, HEAD_SIZE / 2, 2]
@group(0) @binding(3) var<storage, read> rotary: array<f32>;
// q norm, then k norm, HEAD_SIZE each
@group(0) @binding(4) var<storage, read> norms: array<f32>;
// [KV_HEADS, rows, GROUP, HEAD_SIZE]: the queries of a tile stand together
@group(0) @binding(5) var<storage, read_write> queries: array<E>;
// [row, key or value, KV_HEADS, HEAD_SIZE]
@group(0) @binding(6) var<storage, read_write> fresh: array<E>;
// as cache.wgsl says
@group(0) @binding(7) var<storage, read_write> cache: array<vec4<E>>;

const HALF = HEAD_SIZE / 2;
const GROUP = HEADS / KV_HEADS;
const KV_SIZE = KV_HEADS * HEAD_SIZE;
const ROW_SIZE = HEADS * HEAD_SIZE + 2 * KV_SIZE;

fn rootMeanSquare(start: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < HEAD_SIZE; i++) {
    let value = f32(qkv[start + i]);
    sum += value * value;
  }
  return inverseSqrt(sum / f32(HEAD_SIZE) + EPSILON);
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  if (group.x >= sizes.rows) {
    change(group.x - sizes.rows, thread, 128);
    return;
  }
  let row = group.x;
  let position = tables[row * ROW_WORDS + 1];
  for (var at = thread; at < (HEADS + KV_HEADS) * HALF; at += 128) {
    let head = at / HALF;
    let i = at % HALF;
    let start = row * ROW_SIZE + head * HEAD_SIZE;
    var a = f32(qkv[start + i]);
    var b = f32(qkv[start + i + HALF]);
    let scale = rootMeanSquare(start);
    let norm = select(0u, HEAD_SIZE, head >= HEADS);
    a *= scale * norms[norm + i];
    b *= scale * norms[norm + i + HALF];
    let c = rotary[(position * HALF + i) * 2];
    let s = rotary[(position * HALF + i) * 2 + 1];
    let first = a * c - b * s;
    let second = b * c + a * s;
    if (head < HEADS) {
      let to = (((head / GROUP) * sizes.rows + row) * GROUP + head % GROUP) * HEAD_SIZE + i;
      queries[to] = E(first);
      queries[to + HALF] = E(second);
    } else {
      let to = (sizes.current + row) * 2 * KV_SIZE + (head - HEADS) * HEAD_SIZE + i;
      fresh[to] = E(first);
      fresh[to + HALF] = E(second);
    }
  }
  for (var i = thread; i < KV_SIZE; i += 128) {
    let to = ((sizes.current + row) * 2 + 1) * KV_SIZE + i;
    fresh[to] = qkv[row * ROW_SIZE + HEADS * HEAD_SIZE + KV_SIZE + i];
  }
}
