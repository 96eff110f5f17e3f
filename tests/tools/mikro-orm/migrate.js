const { MikroORM } = require('@mikro-orm/postgresql');
const { Migrator } = require('@mikro-orm/migrations');

(async () => {
  const orm = await MikroORM.init({
    clientUrl: process.env.DATABASE_URL,
    discovery: { warnWhenNoEntities: false },
    extensions: [Migrator],
    migrations: { path: 'migrations', glob: '*.js', snapshot: false, allOrNothing: process.env.MIKRO_MODE !== 'each' },
  });
  try {
    for (const { name } of await orm.getMigrator()[process.argv[2]]()) console.log(name);
  } catch (error) {
    console.error(String(error));
    process.exitCode = 1;
  }
  await orm.close(true);
})();
