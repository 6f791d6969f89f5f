/** What a test needs and a machine may lack: a developer needn't have it all, CI can ask for it. */

export type Need = 'airflow' | 'dbt' | 'ray' | 's3' | 'chromium' | 'gpu' | 'smollm2' | 'make' | 'mount';

/**
 * Called by a test that does nothing, or less, because the machine lacks something: a note, which the runner counts.
 * `DARE_TEST_REQUIRE` makes it a failure: `all`, or the names of what must be there, parted by commas.
 * @param how what to do to have it
 */
export function lacking(need: Need, how: string): void {
  const required = (process.env.DARE_TEST_REQUIRE ?? '').split(',');
  if (required.includes(need) || required.includes('all'))
    throw new Error(`${need} is missing, and DARE_TEST_REQUIRE asks for it: ${how}`);
  console.log(`note: for want of ${need} nothing is tested: ${how}`);
}

/** Whom a note of `lacking` names. */
export const noteOfLacking = /\bnote: for want of (\w+) nothing is tested: /g;
