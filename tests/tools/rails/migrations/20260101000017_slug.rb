class Slug < ActiveRecord::Migration[6.1]
  def change
    add_column :posts, :slug, :text
    add_index :posts, :slug
  end
end
