/**
 * Options of Node for processes that live for seconds, as most of those do that tests start: V8 optimises functions that ran
 * several times as long as it would wait for otherwise, and collects garbage without threads beside. Both change nothing but
 * the time: a sixth of the processor time of `dare decode` on a few prompts.
 */
export const brief: readonly string[] = ['--interrupt-budget=1000000', '--single-threaded-gc'];
