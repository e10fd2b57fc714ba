"""Who a party is."""
