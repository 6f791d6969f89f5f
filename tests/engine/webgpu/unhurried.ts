/**
 * Imported for its effect: Dawn asks every two milliseconds whether the GPU has finished, not without a pause. Where a CPU
 * plays the GPU, asking takes a core from it: two fifths of the processor time of these tests.
 * A process of its own has it by `node --import`, also in its threads.
 */
const { setImmediate: immediately } = globalThis;

function unhurried(work: (...args: unknown[]) => void, ...args: unknown[]): unknown {
  // Dawn's callback is the only one that isn't written in JavaScript
  const isOfDawn = Function.prototype.toString.call(work).includes('[native code]');
  return isOfDawn ? setTimeout(work, 2, ...args) : immediately(work, ...args);
}

globalThis.setImmediate = Object.assign(unhurried, immediately) as typeof setImmediate;
