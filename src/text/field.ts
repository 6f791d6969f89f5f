import { DuckDBArrayValue, DuckDBListValue, type DuckDBType, DuckDBTypeId, type DuckDBValue } from 'duckdb';

/**
 * A value of the user's tables as text for a prompt, always on one line: white space and control characters are
 * collapsed to one space, so that no value can break a prompt's lines. Nothing for NULL; the elements of a list
 * joined by `, `; whole numbers without a decimal point (1997, also where the column is DOUBLE).
 */
export function fieldText(value: DuckDBValue, type: DuckDBType): string {
  if (value === null) return '';
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    const element = type.typeId === DuckDBTypeId.LIST && 'valueType' in type ? type.valueType : type;
    return value.items
      .map((item) => fieldText(item, element as DuckDBType))
      .filter((text) => text !== '')
      .join(', ');
  }
  if (typeof value === 'number' && type.typeId === DuckDBTypeId.FLOAT) return shortest(value);
  return oneLine(String(value));
}

/** White space (line breaks among it) and control characters collapsed to single spaces, none at the ends. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** The shortest decimal that reads back as the same 32-bit float: 0.1, not 0.10000000149011612. */
function shortest(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(value);
}
