import type { Config } from '../config/schema.js';
import { inputError } from '../errors.js';
import { bindTemplate, type Renderer, type Template, templateColumns } from './template.js';
import { loadTemplates } from './template-folder.js';

export type EntityType = 'item' | 'user';

/** The history's columns in users' templates: entries joined by `; `, oldest first. */
const historyColumns = ['liked', 'disliked'];

export interface PromptTask {
  readonly framework: string;
  readonly entityType: EntityType;
  /** Takes the values of `columns` of its entity type. */
  readonly render: Renderer;
}

/** What the configuration asks for, checked before any data is read. */
export interface PromptPlan {
  readonly tasks: readonly PromptTask[];
  /** The columns of a row, in the order that the renderers take their values: the id, then the user's, then history. */
  readonly columns: Readonly<Record<EntityType, readonly string[]>>;
  /** Those of them that some template names. */
  readonly used: Readonly<Record<EntityType, ReadonlySet<string>>>;
  /** Renders an item for users' histories; left out where no template of users has a history. */
  readonly historyEntry: Renderer | undefined;
  /** The templates' files. */
  readonly files: readonly string[];
}

/**
 * Loads the templates of the configured frameworks and fixes the columns that they take.
 * @throws inputError for whatever is wrong with frameworks, templates and the columns that they name.
 */
export function planPrompts(config: Pick<Config, 'inputs' | 'prompts'>): PromptPlan {
  const frameworks = config.prompts.frameworks;
  checkFrameworks(frameworks);
  const { templates, historyEntry, files } = loadTemplates(config.prompts.templates, frameworks);
  const userColumns = Object.keys(config.inputs.users?.columns ?? {});
  const taken = userColumns.find((name) => historyColumns.includes(name));
  if (taken !== undefined) {
    throw inputError(
      `inputs.users.columns.${taken}: the name ${taken} is taken by the history in templates`,
      'Choose another name.',
    );
  }
  const columns = {
    item: ['item_id', ...Object.keys(config.inputs.items.columns)],
    user: ['user_id', ...userColumns, ...historyColumns],
  };
  const used = { item: new Set<string>(), user: new Set<string>() };
  const bind = (template: Template, entityType: EntityType) => {
    for (const column of templateColumns(template)) used[entityType].add(column);
    return bindTemplate(template, columns[entityType], columnHint(entityType));
  };
  const tasks: PromptTask[] = [];
  for (const { framework, ...byType } of templates) {
    for (const entityType of ['item', 'user'] as const) {
      const template = byType[entityType];
      if (template !== undefined) tasks.push({ framework, entityType, render: bind(template, entityType) });
    }
  }
  const hasHistory = historyColumns.some((column) => used.user.has(column));
  const entry = hasHistory ? bind(historyEntry, 'item') : undefined;
  return { tasks, columns, used, historyEntry: entry, files };
}

/** A framework is part of prompt ids (`<framework>:<type>:<id>`) and of template files' names. */
function checkFrameworks(frameworks: readonly string[]): void {
  for (const [index, framework] of frameworks.entries()) {
    const where = `prompts.frameworks[${index}]`;
    if (!/^[^\s:/\\\p{Cc}][^:/\\\p{Cc}]*$/u.test(framework)) {
      throw inputError(
        `${where}: ${JSON.stringify(framework)} can't name a framework; expected text without colons and slashes`,
        'Frameworks that come with the package: kar, trawl, once, rlmrec.',
      );
    }
    if (frameworks.indexOf(framework) !== index) {
      throw inputError(`${where}: the framework "${framework}" is listed twice`, 'List it once.');
    }
  }
}

function columnHint(entityType: EntityType): string {
  const map = `Map the column in inputs.${entityType}s.columns (<name in the template>: <column of your file>)`;
  return `${map}, or change the template (prompts.templates names the folder).`;
}
