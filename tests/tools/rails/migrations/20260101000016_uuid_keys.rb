class UuidKeys < ActiveRecord::Migration[6.1]
  class Token < ActiveRecord::Base; end

  def up
    add_reference :posts, :token, type: :uuid, foreign_key: true
    Token.in_batches(of: 1000).update_all(label: "new")
  end
end
