import { uuidv7 } from 'uuidv7'

/** A new UUIDv7: sorts by the time of its making, which keeps B-tree inserts at the right-hand edge. */
export const newId = (): string => uuidv7()

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export const isUuid = (text: string): boolean => UUID.test(text)

/** Ids that people give: of users, products, locations. */
export const NAME = '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'
const NAME_FORM = new RegExp(NAME)
export const isName = (text: string): boolean => NAME_FORM.test(text)
