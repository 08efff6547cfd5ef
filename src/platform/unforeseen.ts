/**
 * The end of a switch over all that a value can be. A process of a newer version beside this one may have written what this one does not know: then it must not
 * go on with it as if nothing were.
 *
 * @throws always; who asked is answered "failed", and asks again, perhaps an instance that knows.
 */
export function unforeseen(value: never): never {
  throw new Error(`this version does not know what to do with ${JSON.stringify(value)}`)
}
