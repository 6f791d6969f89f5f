/** What engines refuse and fail with. */
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';

/** The error of an attempt that must fail, one that a user is told. */
export async function dareErrorOf(attempt: () => unknown): Promise<DareError> {
  try {
    await attempt();
  } catch (error) {
    assert.instance(error, DareError);
    return error as DareError;
  }
  throw new Error('nothing failed');
}
