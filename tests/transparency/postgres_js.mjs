// What postgres.js does on the wire, in one go: its npm package has no tests of its own.
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
const postgres = createRequire(process.env.MODULES + "/x.js")("postgres");
const url = process.env.URL;
const sql = postgres(url, { max: 4, onnotice: () => {} });
const said = {};
const attempt = async (name, work) => {
  const late = new Promise((_, failed) => setTimeout(failed, 20_000, new Error("no end within 20 s")).unref());
  try { said[name] = await Promise.race([work(), late]); } catch (error) { said[name] = `${error.code ?? ""} ${error.message}`; }
};

await attempt("types", () => sql`SELECT 1::int8 AS a, ${"x"}::text AS b, ${[1, 2, 3]}::int[] AS c, ${sql.json({ d: 1 })}::jsonb AS d,
  ${Buffer.from([0, 255])}::bytea AS e, '2024-01-02'::date AS f, null AS g`);
await attempt("ddl", async () => (await sql`CREATE TABLE words (id int PRIMARY KEY, word text)`).command);
await attempt("insert helper", async () =>
  (await sql`INSERT INTO words ${sql([{ id: 1, word: "one" }, { id: 2, word: "two" }])} RETURNING *`).length);
await attempt("simple", async () => (await sql.unsafe("SELECT 1 AS a; SELECT 2 AS b").simple()).map(rows => rows[0]));
await attempt("unsafe with parameters", () => sql.unsafe("SELECT $1::int + 1 AS n", [41]));
await attempt("many at once", async () =>
  (await Promise.all(Array.from({ length: 500 }, (_, n) => sql`SELECT ${n}::int AS n`))).reduce((sum, [row]) => sum + row.n, 0));
await attempt("transaction", () => sql.begin(async t => {
  await t`INSERT INTO words VALUES (3, 'three')`;
  await t.savepoint(async s => { await s`INSERT INTO words VALUES (1, 'again')`; }).catch(error => error.code);
  return t`SELECT count(*)::int FROM words`;
}));
await attempt("rolled back", () => sql.begin(async t => { await t`DELETE FROM words`; throw new Error("no"); }));
await attempt("pipelined transaction", () => sql.begin(t => [t`SELECT 1 AS a`, t`SELECT 2 AS b`]));
await attempt("unique violation", () => sql`INSERT INTO words VALUES (1, 'one')`);
await attempt("syntax error", () => sql`SELEC 1`);
await attempt("cursor", async () => {
  let seen = 0;
  await sql`SELECT g FROM generate_series(1, 1000) g`.cursor(70, rows => { seen += rows.length; });
  return seen;
});
await attempt("cursor left early", async () => {
  let seen = 0;
  for await (const rows of sql`SELECT g FROM generate_series(1, 1000) g`.cursor(10)) { seen += rows.length; if (seen >= 30) break; }
  return [seen, (await sql`SELECT 1 AS after`)[0]];
});
await attempt("for each", async () => {
  let sum = 0;
  await sql`SELECT g::int FROM generate_series(1, 100) g`.forEach(row => { sum += row.g; });
  return sum;
});
await attempt("describe", async () => {
  const found = await sql`SELECT id, word FROM words WHERE id = ${1}`.describe();
  return [found.types, found.columns.map(column => column.name)];
});
await attempt("many rows", () => sql`INSERT INTO words SELECT g, 'word ' || g FROM generate_series(100, 3099) g`.then(rows => rows.count));
await attempt("copy out", async () => {
  let bytes = 0;
  for await (const chunk of await sql`COPY (SELECT * FROM words ORDER BY id) TO STDOUT`.readable()) bytes += chunk.length;
  return bytes;
});
await attempt("listen", async () => {
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  const heard = [];
  let enough;
  const all = new Promise(done => { enough = done; });
  const listening = await sql.listen("news", payload => { heard.push(payload); if (heard.length === 20) enough(); });
  for (let n = 0; n < 20; n++) await sql.notify("news", `${n}`);
  await all;
  await sql.end({ timeout: 1 });
  return heard;
});
await attempt("cancelled", async () => {
  const query = sql`SELECT pg_sleep(60)`;
  const end = query.catch(error => error.code);
  setTimeout(() => query.cancel(), 200);
  return end;
});
await attempt("reserved", async () => {
  const one = await sql.reserve();
  try {
    await one`SET application_name = 'reserved'`;
    return (await one`SHOW application_name`)[0];
  } finally { one.release(); }
});
await attempt("large", async () => (await sql`SELECT repeat('x', 3000000) AS text`)[0].text.length);
await sql.end({ timeout: 1 });
writeSync(1, JSON.stringify(said, (_, value) => (typeof value === "bigint" ? `${value}` : value), 1));
// Behind a COPY whose last piece fills its buffer postgres.js leaves the socket paused, and never hears that it is closed.
process.exit(0);
