// Of a product whose workgroups all compute results: see epilogue-heads.wgsl.
fn isBeside(y: u32, side: u32) -> bool {
  return false;
}

fn beside(y: u32, x: u32, columns: u32, side: u32, thread: u32, threads: u32) {}
