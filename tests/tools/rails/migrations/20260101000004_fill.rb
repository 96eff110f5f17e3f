class Fill < ActiveRecord::Migration[6.1]
  class User < ActiveRecord::Base; end

  def up
    User.where(age: nil).update_all(age: 18)
    execute "UPDATE posts SET author_id = id WHERE author_id IS NULL"
  end
end
