Rails.application.routes.draw do
  root "entries#index"
  resources :entries, only: [:create]
  get "entries", to: redirect("/")
  get "about", to: "pages#about"
  get "up", to: "health#up"
  get "whoami", to: "health#whoami"
  get "slow", to: "health#slow"
end
