import type { Duck } from '../lake/duck.js';

/** With groups: auto as many cohorts at most; a column of titles or ids would give one for each entity. */
export const autoGroups = 64;

const unlimited = 2 ** 31 - 1;

/** A column of ours, and whether it is one of the items or of the users. */
export interface AttributeColumn {
  table: 'items' | 'users';
  column: string;
}

/** Tells columns of users from columns of items; a user's own one goes first where both have the name. */
export function attributeColumns(
  names: readonly string[],
  userColumns: Readonly<Record<string, string>>,
): AttributeColumn[] {
  return names.map((column) => ({ table: Object.hasOwn(userColumns, column) ? 'users' : 'items', column }));
}

export interface AttributeOptions {
  entityType: 'user' | 'item';
  columns: readonly AttributeColumn[];
  /** `all` keeps every value: ready-made groups. */
  groups: number | 'auto' | 'all';
}

/**
 * Adds rows to the table `cohorts`: entities with the same values of `columns` together, those without any in a cohort
 * of their own. For users a column of items stands for the value they like most (needs the table `likes`).
 * @returns warnings
 */
export async function groupByAttributes(duck: Duck, options: AttributeOptions): Promise<string[]> {
  const { entityType, columns, groups } = options;
  const table = `${entityType}s`;
  const id = `${entityType}_id`;
  for (const [place, { table: of, column }] of columns.entries()) {
    if (of === table) await addValues(duck, entityType, table, id, column, place);
    else await duck.script('segment/favourite-attribute', { identifiers: { column }, params: { place } });
  }
  const limit = groups === 'auto' ? autoGroups : groups === 'all' ? unlimited : groups;
  const [row] = await duck.scriptRows('segment/attribute-cohorts', {
    identifiers: { table, id },
    params: { entity_type: entityType, groups: limit },
  });
  const total = Number(row?.total);
  if (groups !== 'auto' || total <= limit) return [];
  return [
    `cohorts.${table}.columns have ${total} different values; the ${limit - 1} most frequent ones are cohorts, the others are together in ${entityType}-other (set cohorts.${table}.groups for another number)`,
  ];
}

/**
 * Places the users that are not in the table `clusters` by the attributes of what they like and by their own:
 * the table cold_clusters(user_id, cluster). Needs the tables `clusters` and `likes`.
 */
export async function placeColdUsers(duck: Duck, columns: readonly AttributeColumn[]): Promise<void> {
  for (const [place, { table, column }] of columns.entries()) {
    const own = table === 'users';
    await addValues(duck, own ? 'own' : 'liked', table, own ? 'user_id' : 'item_id', column, place);
  }
  await duck.script('segment/affinity');
}

async function addValues(
  duck: Duck,
  purpose: string,
  table: string,
  id: string,
  column: string,
  place: number,
): Promise<void> {
  await duck.script('segment/attribute-values', {
    identifiers: { table, id, column },
    params: { purpose, place },
  });
}
