"""The relay between Purchasely's server events and Customer.io."""
