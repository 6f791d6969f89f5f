// One workgroup a verdict row: the logit of the row's own token after its parent, the logarithm of the sum of
// exponentials, and the topK highest logits with their tokens (equal logits: lowest token first).
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
// [verdicts, VOCABULARY]
@group(0) @binding(2) var<storage, read> logits: array<f32>;
// [verdicts, 2 + 2 * topK]
@group(0) @binding(3) var<storage, read_write> verdicts: array<f32>;

const THREADS = 256u;
var<workgroup> values: array<f32, THREADS>;
var<workgroup> tokens: array<u32, THREADS>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let base = group.x * VOCABULARY;
  let columns = 2 + 2 * sizes.topK;
  var before = 0.0;
  var beforeToken = 0u;
  for (var rank = 0u; rank < sizes.topK; rank++) {
    var value = -3e38;
    var token = VOCABULARY;
    for (var t = thread; t < VOCABULARY; t += THREADS) {
      let logit = logits[base + t];
      let left = rank == 0 || logit < before || (logit == before && t > beforeToken);
      if (left && logit > value) {
        value = logit;
        token = t;
      }
    }
    values[thread] = value;
    tokens[thread] = token;
    workgroupBarrier();
    for (var half = THREADS / 2; half > 0; half /= 2) {
      if (thread < half) {
        let other = values[thread + half];
        if (other > values[thread] || (other == values[thread] && tokens[thread + half] < tokens[thread])) {
          values[thread] = other;
          tokens[thread] = tokens[thread + half];
        }
      }
      workgroupBarrier();
    }
    before = values[0];
    beforeToken = tokens[0];
    if (thread == 0) {
      verdicts[group.x * columns + 2 + rank] = before;
      verdicts[group.x * columns + 2 + sizes.topK + rank] = f32(beforeToken);
    }
    workgroupBarrier();
    if (rank == 0) {
      var sum = 0.0;
      for (var t = thread; t < VOCABULARY; t += THREADS) {
        sum += exp(logits[base + t] - before);
      }
      values[thread] = sum;
      workgroupBarrier();
      for (var half = THREADS / 2; half > 0; half /= 2) {
        if (thread < half) {
          values[thread] += values[thread + half];
        }
        workgroupBarrier();
      }
      if (thread == 0) {
        verdicts[group.x * columns + 1] = before + log(values[0]);
      }
      workgroupBarrier();
    }
  }
  if (thread == 0) {
    let own = sizes.verdictTable + group.x * VERDICT_WORDS;
    verdicts[group.x * columns] = logits[tables[own + 1] * VOCABULARY + tables[own + 2]];
  }
}
