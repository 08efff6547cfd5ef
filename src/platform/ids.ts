import { uuidv7 } from 'uuidv7'

/** A new UUIDv7: sorts by the time of its making, which keeps B-tree inserts at the right-hand edge. */
export const newId = (): string => uuidv7()

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export const isUuid = (text: string): boolean => UUID.test(text)
