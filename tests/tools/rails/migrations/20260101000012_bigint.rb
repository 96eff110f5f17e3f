class Bigint < ActiveRecord::Migration[6.1]
  def up
    execute "SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced'"
    change_column :products, :stock, :bigint
  end
end
