import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { DATABASES } from '../../src/platform/config.ts'

/** Migrations run while the version before still does: they only ever add (CONTRIBUTING.md). */

/** What a process of the version before would trip over, by what a statement says. */
const BREAKING: [RegExp, string][] = [
  [/\bdrop (table|column|schema|view|type)\b/, 'drops what may still be read'],
  [/\brename\b/, 'renames what is known by its old name'],
  [/\balter column \w+ (set data )?type\b/, 'changes a type, and rewrites the table under its lock'],
  [/\bset not null\b/, 'refuses rows that the version before still writes'],
  [/\b(truncate|delete from)\b/, 'throws rows away'],
]

function problemsOf(text: string): string[] {
  const statements = text
    .replace(/--.*$/gm, '')
    .replace(/\$\$[\s\S]*?\$\$/g, '')
    .toLowerCase()
    .split(';')
    .map((one) => one.replace(/\s+/g, ' ').trim())
  return statements.flatMap((statement) => {
    const broken = BREAKING.filter(([form]) => !isTrigger(statement) && form.test(statement)).map(([, why]) => why)
    const columns = /^alter table/.test(statement)
      ? [...statement.matchAll(/\badd (?:column )?(?!check|constraint|primary|foreign|unique)[^,]+/g)]
      : []
    const needy = columns.filter(([column]) => /\bnot null\b/.test(column) && !/\bdefault\b/.test(column))
    return [...broken, ...needy.map(() => 'adds a column that the version before does not fill')]
  })
}

/** `before delete or truncate on …` throws nothing away. */
const isTrigger = (statement: string) => /^create (or replace )?trigger/.test(statement)

const later = DATABASES.flatMap((name) =>
  readdirSync(`src/${name}/migrations`)
    .filter((file) => /^\d{4}_.+\.sql$/.test(file) && !file.startsWith('0001_'))
    .map((file) => `src/${name}/migrations/${file}`),
)

it('there are migrations after the first', () => {
  expect(later.length).toBeGreaterThan(5)
})

it.each(later)('%s only adds to what a running version needs', (file) => {
  expect(problemsOf(readFileSync(file, 'utf8'))).toEqual([])
})

it.each([
  'alter table orders drop column user_id;',
  'drop table refunds;',
  'alter table orders rename column user_id to customer_id;',
  'alter table orders alter column version type int;',
  'alter table orders alter column address set not null;',
  'alter table orders add column note text, add column tax_minor bigint not null;',
  'delete from order_events;',
])('would be found: %s', (statement) => {
  expect(problemsOf(`-- a comment; that ends nothing\n${statement}`)).toHaveLength(1)
})

it.each([
  'alter table orders add column tax_minor bigint not null default 0, add check (tax_minor >= 0);',
  'create table notes (id uuid primary key, body text not null);',
  'create trigger t before delete or truncate on orders for each statement execute function refuse_change();',
])('is fine: %s', (statement) => {
  expect(problemsOf(statement)).toEqual([])
})
