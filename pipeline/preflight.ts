/** What of a run can be checked in a moment: else it would only be met when other stages have run for long. */
import { defaultModelCache } from '../src/decode/settings.js';
import { Duck } from '../src/lake/duck.js';
import { inputPaths } from '../src/lake/input-files.js';
import { findSources } from '../src/lake/input-sources.js';
import { checkModel } from '../src/model/source.js';
import { loadTextModel } from '../src/model/text.js';
import { planPrompts } from '../src/text/prompt-plan.js';
import type { Place } from './origins.js';

/**
 * Checks the templates and the columns that they name, the inputs' headers, the texts for pools and the model's headers,
 * tokenizer and chat template. Writes nothing but a GGUF file's tokenizer into the model cache.
 * @throws inputError as the stages do
 */
export async function preflight({ config }: Place): Promise<void> {
  const { inputs, model, pools } = config;
  planPrompts(config);
  const text = loadTextModel(model.path, model.cache);
  // a chat template can be read, and yet take no message
  text.encodePrompt('a');
  checkModel(model.path, model.cache ?? defaultModelCache(), text);
  const duck = await Duck.open({ threads: 1 });
  try {
    await findSources(duck, inputs);
    if (pools.texts !== undefined) await inputPaths(duck, 'pools.texts', [pools.texts]);
  } finally {
    duck.close();
  }
}
