/** Numbers from the largest down, as many as are asked for: a heap, so that the others are never sorted. */
export class Descending {
  private heap = new Float32Array(0);
  private size = 0;

  /** Takes a copy of the numbers. */
  fill(values: Float32Array): void {
    if (this.heap.length < values.length) this.heap = new Float32Array(values.length);
    this.heap.set(values);
    this.size = values.length;
    for (let at = (this.size >> 1) - 1; at >= 0; at--) this.sink(at);
  }

  /** The largest that is left, -Infinity when none is. */
  peek(): number {
    return this.size === 0 ? Number.NEGATIVE_INFINITY : (this.heap[0] as number);
  }

  /** Removes the largest. */
  pop(): number {
    const largest = this.peek();
    if (this.size === 0) return largest;
    this.size--;
    this.heap[0] = this.heap[this.size] as number;
    this.sink(0);
    return largest;
  }

  private sink(start: number): void {
    const { heap, size } = this;
    const value = heap[start] as number;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && (heap[child + 1] as number) > (heap[child] as number)) child++;
      if ((heap[child] as number) <= value) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = value;
  }
}
