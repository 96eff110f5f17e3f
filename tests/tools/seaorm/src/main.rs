//! A project's own `migration` program, as `sea-orm-cli migrate` runs it; its migrations are files, so that one program will do.
//!
//! Each statement goes through the same call as those of `SchemaManager`: prepared, and then executed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};
use std::{fs, path::PathBuf};

const OUTSIDE: &str = "-- use_transaction: false\n";

struct File {
    name: String,
    up: String,
    down: String,
}

impl MigrationName for File {
    fn name(&self) -> &str {
        &self.name
    }
}

async fn execute(manager: &SchemaManager<'_>, text: &str) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    for statement in text.trim_end().trim_end_matches(';').split(";\n").filter(|s| !s.is_empty()) {
        let statement = Statement::from_string(connection.get_database_backend(), statement);
        connection.execute_raw(statement).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for File {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, self.up.trim_start_matches(OUTSIDE)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &self.down).await
    }

    fn use_transaction(&self) -> Option<bool> {
        self.up.starts_with(OUTSIDE).then_some(false)
    }
}

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut paths: Vec<PathBuf> = fs::read_dir("migrations").unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.to_str().unwrap().ends_with(".up.sql"));
        paths.sort();
        paths.iter().map(read).collect()
    }
}

fn read(path: &PathBuf) -> Box<dyn MigrationTrait> {
    let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".up.sql").to_owned();
    let down = path.with_file_name(format!("{name}.down.sql"));
    Box::new(File { name, up: fs::read_to_string(path).unwrap(), down: fs::read_to_string(down).unwrap() })
}

#[tokio::main]
async fn main() {
    cli::run_cli(Migrator).await;
}
