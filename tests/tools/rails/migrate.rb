# What rails db:migrate and db:rollback do, without the rest of Rails.
require "logger"
require "active_support"
require "active_support/core_ext"
require "active_record"

ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL"))
arguments = ["migrations"]
arguments << ActiveRecord::SchemaMigration if Gem::Version.new(ActiveRecord::VERSION::STRING) < Gem::Version.new("7.1")
ActiveRecord::MigrationContext.new(*arguments).public_send(ARGV.fetch(0, "migrate"))
