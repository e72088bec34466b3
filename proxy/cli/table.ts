/** The last column is cut there. */
const MAX_LAST = 160;

/** Lines of text in columns: numbers to the right, texts to the left. */
export function formatTable(names: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const last = names.length - 1;
  const widths = names.map((name, column) => {
    return rows.reduce((width, row) => Math.max(width, String(row[column]).length), name.length);
  });
  const cells = (row: readonly (string | number)[], like: readonly (string | number)[]): string =>
    row
      .map((cell, column) => {
        const text = String(cell);
        if (column === last) return text.length > MAX_LAST ? `${text.slice(0, MAX_LAST - 1)}…` : text;
        const width = widths[column] ?? 0;
        return typeof like[column] === 'number' ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ');
  return [cells(names, rows[0] ?? names), ...rows.map((row) => cells(row, row))].map((line) => `${line}\n`).join('');
}
