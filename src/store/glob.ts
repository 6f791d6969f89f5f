/** Globs over keys, as DuckDB has them over paths: `*`, `?` and `[...]` within a part of the key, `**` across parts. */

export function isGlob(path: string): boolean {
  return /[*?[\]]/.test(path);
}

/** What every key that the glob matches begins with. */
export function literalPrefix(glob: string): string {
  return glob.slice(0, Math.max(0, glob.search(/[*?[\]]/)));
}

/** Matches whole keys. */
export function globPattern(glob: string): RegExp {
  let pattern = '';
  for (let at = 0; at < glob.length; ) {
    const rest = glob.slice(at);
    const set = /^\[(!?)([^\]]+)\]/.exec(rest);
    const [written, means] = rest.startsWith('**/')
      ? ['**/', '(?:.*/)?']
      : rest.startsWith('**')
        ? ['**', '.*']
        : rest.startsWith('*')
          ? ['*', '[^/]*']
          : rest.startsWith('?')
            ? ['?', '[^/]']
            : set !== null
              ? [set[0], `[${set[1] === '' ? '' : '^'}${set[2]?.replaceAll(/[\\^[]/g, '\\$&')}]`]
              : [glob.charAt(at), glob.charAt(at).replace(/[.*+?^${}()|[\]\\]/, '\\$&')];
    pattern += means;
    at += written.length;
  }
  return new RegExp(`^${pattern}$`, 's');
}
