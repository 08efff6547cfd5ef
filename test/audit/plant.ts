import type { OwnerName } from '../../src/platform/config.ts'
import type { Ids } from './history.ts'

/** One way to break a promise by hand, and exactly the checks that must see it. The first is the one that it was planted for. */
export type Plant = { what: string; breaks: string[]; sql(ids: Ids): Partial<Record<OwnerName, string>> }

/** An order that there never was. */
export const UNKNOWN = '00000000-0000-7000-8000-000000000001'
/** An append-only table that can be changed after all, by someone with the rights and bad intentions. */
export const unlock = (table: string) => `alter table ${table} disable trigger all;`
export const q = (text: string) => `'${text}'`
