class Staged < ActiveRecord::Migration[6.1]
  def change
    add_check_constraint :products, "stock >= 0", name: "products_stock_check", validate: false
    add_check_constraint :posts, "body IS NOT NULL", name: "body_is_there", validate: false
    add_foreign_key :products, :products, column: :origin_id, validate: false
  end
end
