"""The page's routes: who may open which, what each shows, and the events that its forms send."""
