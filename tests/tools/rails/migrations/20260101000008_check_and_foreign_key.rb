class CheckAndForeignKey < ActiveRecord::Migration[6.1]
  def change
    add_check_constraint :products, "price >= 0", name: "products_price_check"
    add_foreign_key :products, :users, column: :owner_id
  end
end
