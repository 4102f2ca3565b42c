class CreateGuestBook < ActiveRecord::Migration[7.2]
  def up
    # MariaDB and MySQL commit each definition by itself: a migration that was cut off must be able to run again.
    create_table :entries, if_not_exists: true do |t|
      t.string :name, null: false, limit: 60
      t.string :message, null: false, limit: 500
      t.datetime :created_at, null: false
    end
    create_table :totals, if_not_exists: true do |t|
      t.bigint :entries, null: false, default: 0
    end
    execute "INSERT IGNORE INTO totals (id, entries) VALUES (1, 0)"
  end

  def down
    drop_table :totals
    drop_table :entries
  end
end
