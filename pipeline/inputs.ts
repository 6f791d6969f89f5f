import { inputError } from '../src/errors.js';
import type { Duck } from '../src/lake/duck.js';
import { type Drift, type InputSchema, inputSchemaOf, schemaDrift } from '../src/lake/input-schema.js';
import { type OpenedInputs, openInputs } from '../src/lake/inputs.js';
import { readManifest } from '../src/lake/manifest.js';
import type { Place } from './origins.js';

/**
 * The inputs as tables of the session (`openInputs`), compared with what the last run found: the cohorts' manifest of
 * this partition says it, else that of the latest earlier one. Values that are missing where none were add a warning.
 * @throws inputError as openInputs does, and when the type of a column has changed, unless `acceptTypes` is set
 */
export async function openCheckedInputs(
  duck: Duck,
  place: Place,
  { acceptTypes = false }: { acceptTypes?: boolean } = {},
): Promise<OpenedInputs> {
  const opened = await openInputs(duck, place.config.inputs);
  const last = await lastSchema(place);
  if (last === undefined) return opened;
  const { types, empty } = schemaDrift(last.schema, opened.schema);
  const [first] = types;
  if (first !== undefined && !acceptTypes) throw typesError(types, opened.files, last.partition);
  const warnings = empty.map(
    ({ input, column, now }) =>
      `${input}: ${now.empty} rows of ${opened.files[input]} have nothing in column "${column}", ` +
      `which no row lacked in partition ${last.partition}`,
  );
  return { ...opened, warnings: [...opened.warnings, ...warnings] };
}

async function lastSchema({
  lake,
  partition,
}: Place): Promise<{ schema: InputSchema; partition: string } | undefined> {
  const earlier = lake.earlierPartitions('cohorts', partition).at(-1);
  for (const name of [partition, earlier]) {
    if (name === undefined) continue;
    const schema = inputSchemaOf((await readManifest(lake.dir('cohorts', name))) ?? {});
    if (schema !== undefined) return { schema, partition: name };
  }
  return undefined;
}

function typesError(types: readonly Drift[], files: Record<string, string>, partition: string) {
  const changed = types.map(
    ({ input, column, before, now }) =>
      `${input}: column "${column}" of ${files[input]} has the type ${now.type}, it was ${before.type}`,
  );
  return inputError(
    `${changed.join('; ')} in partition ${partition}`,
    'Write the files with the types that they had; or accept the new ones: dare segment --accept-types.',
  );
}
