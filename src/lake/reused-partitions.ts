/** Earlier partitions that are looked through for texts that a run would write again. */
export const reusedPartitions = 7;
