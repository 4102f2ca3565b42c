class Entry < ApplicationRecord
  validates :name, presence: true, length: { maximum: 60 }
  validates :message, presence: true, length: { maximum: 500 }

  # Saves the entry and counts it, both or neither. False means that it is not valid.
  def sign
    transaction do
      save && Total.count_up
    end
  end
end
