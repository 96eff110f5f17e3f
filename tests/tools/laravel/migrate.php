<?php
// What artisan migrate and migrate:rollback --step=1 do, without the rest of Laravel.
foreach (['Database', 'Events', 'Filesystem', 'Container', 'Support', 'Console'] as $module) {
    require_once "/usr/share/php/Illuminate/$module/autoload.php";
}

use Illuminate\Container\Container;
use Illuminate\Database\Capsule\Manager;
use Illuminate\Database\Migrations\DatabaseMigrationRepository;
use Illuminate\Database\Migrations\Migrator;
use Illuminate\Filesystem\Filesystem;
use Illuminate\Support\Facades\Facade;

error_reporting(E_ALL & ~E_DEPRECATED);
$container = new Container;
Container::setInstance($container);
Facade::setFacadeApplication($container);
$manager = new Manager($container);
$manager->addConnection([
    'driver' => 'pgsql', 'host' => getenv('DB_HOST'), 'port' => getenv('DB_PORT'), 'database' => getenv('DB_NAME'),
    'username' => getenv('DB_USER'), 'password' => '', 'charset' => 'utf8', 'schema' => 'public', 'sslmode' => 'prefer',
]);
$manager->setAsGlobal();
$manager->bootEloquent();
$database = $manager->getDatabaseManager();
$container->instance('db', $database);
$container->bind('db.schema', fn () => $database->connection()->getSchemaBuilder());
$repository = new DatabaseMigrationRepository($database, 'migrations');
$migrator = new Migrator($repository, $database, new Filesystem);
if (!$migrator->repositoryExists()) {
    $repository->createRepository();
}
try {
    $folder = [__DIR__ . '/migrations'];
    $done = $argv[1] === 'run' ? $migrator->run($folder) : $migrator->rollback($folder, ['step' => 1]);
    foreach ($done as $file) {
        echo "$argv[1] $file\n";
    }
} catch (Throwable $error) {
    echo get_class($error), ': ', $error->getMessage(), "\n";
    exit(1);
}
