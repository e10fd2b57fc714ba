"""What stands between the network and the routes: HTTP within bounds, and what every response has."""
