/** Vectors of texts as features of a click model. */
import type { Features } from './click-model.js';
import { type Components, components, coordinates } from './components.js';
import { generator, shuffle } from './generator.js';
import type { EvaluatedText } from './rows.js';

/** Numbers of an entity that the model sees: more of them are harder to learn from than they tell. */
const width = 16;

export type EntityType = 'user' | 'item';

/** Places of users and items in the model, by their ids. */
export type Places = Readonly<Record<EntityType, ReadonlyMap<string, number>>>;

/** The vectors of an entity's texts, one after the other by framework; entities without any are left out. */
export function entityVectors(
  texts: readonly EvaluatedText[],
  entityType: EntityType,
): Map<string, Float64Array> {
  const own = texts.filter((text) => text.entityType === entityType && text.entityId !== null);
  const size = Math.max(0, ...own.map(({ vector }) => vector?.length ?? 0));
  const frameworks = [...new Set(own.map(({ framework }) => framework))].sort();
  const found = new Map<string, Float64Array>();
  for (const { entityId, framework, vector } of own) {
    if (vector === null) continue;
    const known = found.get(entityId as string) ?? new Float64Array(size * frameworks.length);
    known.set(vector, size * frameworks.indexOf(framework));
    found.set(entityId as string, known);
  }
  return found;
}

/**
 * Turns texts into features: coordinates along the directions in which the reference's vectors differ most. All texts are
 * seen along the same ones, so that features differ where vectors do, and not by how directions were found.
 */
export class FeatureSpace {
  private readonly bases: Readonly<Record<EntityType, Components>>;

  /** @param reference the texts that directions are found in */
  constructor(
    private readonly reference: readonly EvaluatedText[],
    private readonly places: Places,
  ) {
    const basis = (type: EntityType) => components([...entityVectors(reference, type).values()], width);
    this.bases = { user: basis('user'), item: basis('item') };
  }

  /** Features of the entities that the texts are about. */
  of(texts: readonly EvaluatedText[]): Features {
    return this.fill(texts, (ids) => ids);
  }

  /** The reference's own features, each given to another entity of the type: what a model can't learn from. */
  shuffled(seed: number): Features {
    return this.fill(this.reference, (ids) => shuffle([...ids], generator(seed)));
  }

  private fill(
    texts: readonly EvaluatedText[],
    ownersOf: (ids: readonly string[]) => readonly string[],
  ): Features {
    const side = (type: EntityType): Float32Array => {
      const places = this.places[type];
      const features = new Float32Array(places.size * width);
      const vectors = entityVectors(texts, type);
      const ids = [...vectors.keys()];
      const owners = ownersOf(ids);
      ids.forEach((id, i) => {
        const place = places.get(owners[i] as string);
        if (place === undefined) return;
        const row = coordinates(vectors.get(id) as Float64Array, this.bases[type]);
        // unit length on average, however many directions there are
        features.set(
          row.map((x) => x / Math.sqrt(row.length)),
          place * width,
        );
      });
      return features;
    };
    return { width, users: side('user'), items: side('item') };
  }
}
