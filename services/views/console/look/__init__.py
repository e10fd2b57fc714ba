"""How the pages look and read: templates to HTML, the sentences, the bar, the names of accounts and countries."""
