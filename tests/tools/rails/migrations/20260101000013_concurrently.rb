class Concurrently < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :posts, :created_at, algorithm: :concurrently
  end
end
