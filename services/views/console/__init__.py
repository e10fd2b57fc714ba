"""The page: HTML of everything that people see in a browser, from the same views as the command line."""
