import type { TreeRows } from '../engine/engine.js';
import type { Draw } from './sampler.js';
import type { Verification } from './verify.js';

/**
 * Exact speculative sampling over a draft tree: at each row a token is drawn from the model's own distribution there;
 * if the tree has it, its row is the next one, else it ends the step.
 *
 * Why the texts are distributed as without drafts: each token is drawn from p(. | all tokens before it), with a random
 * number that belongs to its position, and whether the tree holds the token decides only whether the model has to be
 * asked again. It is the rule of Leviathan, Kalman & Matias 2023 (arXiv 2211.17192, section 2.3) for proposals that
 * are certain: a draft x is accepted with probability min(1, p(x) / 1) = p(x), and after a refusal the token comes from
 * p restricted to the others, which together is p. With several drafts side by side it is SpecInfer's multi-step
 * verification (Miao et al. 2023, arXiv 2305.09781, section 4.3) for proposals of that kind.
 * The same random number at a position gives the same token whatever the tree, so even the text is the same.
 *
 * @param draw the token after a row, `depth` tokens below row 0
 */
export function samplePath(tree: TreeRows, draw: (row: number, depth: number) => Draw): Verification {
  const path = [0];
  let nearTies = 0;
  for (let last = 0; ; ) {
    const { token, near } = draw(last, path.length - 1);
    if (near) nearTies++;
    const child = tree.parents.findIndex((parent, row) => parent === last && tree.tokens[row] === token);
    if (child < 0) return { path, costs: path.map(() => 0), next: token, nearTies };
    path.push(child);
    last = child;
  }
}
