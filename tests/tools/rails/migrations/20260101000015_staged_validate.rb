class StagedValidate < ActiveRecord::Migration[6.1]
  def change
    validate_check_constraint :products, name: "products_stock_check"
    validate_check_constraint :posts, name: "body_is_there"
    validate_foreign_key :products, :products
    change_column_null :posts, :body, false
    remove_check_constraint :posts, name: "body_is_there"
  end
end
