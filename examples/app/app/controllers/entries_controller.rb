class EntriesController < ApplicationController
  def index
    @entry = Entry.new
    show_list
  end

  def create
    @entry = Entry.new(params.require(:entry).permit(:name, :message))
    if @entry.sign
      redirect_to root_path, status: :see_other, notice: "Thank you for your entry."
    else
      show_list
      render :index, status: :unprocessable_entity
    end
  end

  private

  def show_list
    @entries = Entry.order(id: :desc).limit(50).to_a
    @total = Total.entries
  end
end
