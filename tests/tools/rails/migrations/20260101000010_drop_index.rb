class DropIndex < ActiveRecord::Migration[6.1]
  def change
    remove_index :users, name: "users_age_idx"
  end
end
