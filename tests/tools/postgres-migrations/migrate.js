const { Client } = require('pg');
const { migrate } = require('postgres-migrations');

(async () => {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  try {
    for (const { fileName } of await migrate({ client }, 'migrations')) console.log(fileName);
  } catch (error) {
    console.error(String(error));
    process.exitCode = 1;
  }
  await client.end();
})();
