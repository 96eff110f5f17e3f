class Indexes < ActiveRecord::Migration[6.1]
  def change
    add_index :posts, :title
    add_index :posts, :created_at, order: { created_at: :desc }, where: "id > 100", name: "posts_recent_idx"
    add_index :users, "lower(email)", unique: true, name: "users_email_idx"
  end
end
