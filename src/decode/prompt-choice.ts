import { inputError } from '../errors.js';
import { PromptFile, type PromptRow } from '../lake/pages.js';
import { hashShare } from './rounds.js';

/** Prompts that were chosen from a file. */
export interface ChosenPrompts {
  /** Ordered by entity type, then hash, then as in the file. */
  prompts: PromptRow[];
  /** Prompts of the file. */
  all: number;
}

/**
 * The prompts of the `limit` keys of each entity type that have the lowest hashes: a choice that doesn't depend on the
 * file's order.
 * @param keyOf what is chosen: prompts, or whom they are about
 * @throws inputError when the file holds no prompt that can be decoded
 */
export async function choosePrompts(
  file: string,
  limit: number,
  keyOf: (prompt: PromptRow) => string,
): Promise<ChosenPrompts> {
  const chosen = new Map<string, Map<number, PromptRow[]>>();
  const source = await PromptFile.open(file);
  try {
    for await (const page of source.pages()) {
      for (const prompt of page) {
        if (prompt.problem !== undefined) continue;
        const type = prompt.entityType ?? '';
        const group = chosen.get(type) ?? new Map<number, PromptRow[]>();
        const place = hashShare(keyOf(prompt));
        group.set(place, [...(group.get(place) ?? []), prompt]);
        chosen.set(type, group);
      }
      for (const [type, group] of chosen) chosen.set(type, lowest(group, limit));
    }
  } finally {
    source.close();
  }
  if (chosen.size === 0) throw inputError(`${file} holds no prompts`, 'Expected at least one.');
  const types = [...chosen.keys()].sort();
  const prompts = types.flatMap((type) => [...(chosen.get(type)?.values() ?? [])].flat());
  return { prompts, all: source.rows };
}

function lowest(group: ReadonlyMap<number, PromptRow[]>, limit: number): Map<number, PromptRow[]> {
  return new Map([...group].sort(([a], [b]) => a - b).slice(0, limit));
}

/** Whom a prompt is about; where that isn't known, the prompt itself. */
export function entityKey({
  entityType,
  entityId,
  promptId,
}: Pick<PromptRow, 'entityType' | 'entityId' | 'promptId'>): string {
  return JSON.stringify(entityId === null ? [promptId] : [entityType, entityId]);
}
