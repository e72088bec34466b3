/** As mysql2 does before it sends anything. @throws TypeError */
export function checkValues(values: unknown, namedPlaceholders: boolean): void {
  if (!values) return;
  if (!Array.isArray(values)) {
    if (namedPlaceholders) return;
    throw new TypeError('Bind parameters must be array if namedPlaceholders parameter is not enabled');
  }
  if (values.includes(undefined)) {
    throw new TypeError('Bind parameters must not contain undefined. To pass SQL NULL specify JS null');
  }
  if (values.some((value) => typeof value === 'function')) {
    throw new TypeError(
      'Bind parameters must not contain function(s). To pass the body of a function as a string call .toString() first',
    );
  }
}
