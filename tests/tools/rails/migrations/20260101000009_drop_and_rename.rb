class DropAndRename < ActiveRecord::Migration[6.1]
  def change
    remove_column :posts, :legacy, :text
    rename_column :users, :nickname, :handle
  end
end
