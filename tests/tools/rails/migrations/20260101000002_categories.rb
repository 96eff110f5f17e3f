class Categories < ActiveRecord::Migration[6.1]
  def change
    create_table :categories do |t|
      t.string :slug, null: false, index: { unique: true }
      t.text :name, null: false
    end
    add_index :categories, :name
  end
end
