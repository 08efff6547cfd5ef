import { invalid } from './errors.ts'

/** A time that came in; `field` as an error names it. @throws a problem for one that no calendar has. */
export function timeOf(field: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const date = new Date(text)
  // The databases know no year 0; and NaN is in no range.
  if (date.getFullYear() >= 1900 && date.getFullYear() <= 9998) return date
  throw invalid([{ field, message: 'must be a time such as 2026-01-31T12:00:00Z' }])
}
