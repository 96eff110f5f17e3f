class VolatileDefault < ActiveRecord::Migration[6.1]
  def change
    add_column :products, :uid, :uuid, null: false, default: -> { "gen_random_uuid()" }
  end
end
