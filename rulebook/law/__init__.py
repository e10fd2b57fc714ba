"""What the law is made of: values as of a day, a shipment as it reads one, provisions, authorizations."""
