const { DataSource } = require('typeorm');

// The default of migrationsTransactionMode, 'all': one transaction for all migrations.
module.exports.default = new DataSource({
  type: 'postgres',
  url: process.env.DATABASE_URL,
  migrations: ['migrations/*.js'],
  migrationsTransactionMode: process.env.TYPEORM_MODE,
});
