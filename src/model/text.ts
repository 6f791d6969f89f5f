import { defaultModelCache } from '../decode/settings.js';
import { textFolderOf } from '../gguf/text-folder.js';
import { TextModel } from '../text/tokenizer.js';

/**
 * Tokenizer and chat template of a model.
 * @param path Hugging Face folder or GGUF file
 * @param cache folder for what is made of a GGUF file's metadata; the usual one when undefined
 * @throws inputError as TextModel.load, runError when the cache can't be written
 */
export function loadTextModel(path: string, cache: string | undefined): TextModel {
  return TextModel.load(textFolderOf(path, cache ?? defaultModelCache()), path);
}
