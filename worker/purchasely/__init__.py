"""What a Purchasely event is."""
