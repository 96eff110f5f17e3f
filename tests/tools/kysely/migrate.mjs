import { promises as fs } from 'node:fs';
import * as path from 'node:path';
import { Kysely, PostgresDialect } from 'kysely';
import { FileMigrationProvider, Migrator } from 'kysely/migration';
import pg from 'pg';

const db = new Kysely({
  dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: process.env.DATABASE_URL }) }),
});
const migrator = new Migrator({
  db,
  provider: new FileMigrationProvider({ fs, path, migrationFolder: path.resolve('migrations') }),
  disableTransactions: process.env.KYSELY_MODE === 'none',
});
const { error, results } = await migrator[process.argv[2]]();
for (const { migrationName, status } of results ?? []) console.log(status, migrationName);
await db.destroy();
if (error) {
  console.error(error);
  process.exitCode = 1;
}
