Rails.application.config.filter_parameters += [:message, :authenticity_token]
