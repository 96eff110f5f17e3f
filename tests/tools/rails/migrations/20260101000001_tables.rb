class Tables < ActiveRecord::Migration[6.1]
  def change
    create_table :users do |t|
      t.text :email
      t.text :name, null: false
      t.text :nickname
      t.integer :age, index: { name: "users_age_idx" }
      t.column :created_at, :timestamptz, null: false, default: -> { "now()" }
    end
    create_table :posts do |t|
      t.text :title, null: false
      t.text :body
      t.text :legacy
      t.column :created_at, :timestamptz, null: false, default: -> { "now()" }
    end
    create_table :products do |t|
      t.text :sku, null: false
      t.integer :price, null: false
      t.integer :stock, null: false, default: 0
      t.bigint :owner_id, null: false
      t.bigint :origin_id
    end
    create_table :tokens, id: :uuid, default: nil do |t|
      t.text :label
    end
  end
end
