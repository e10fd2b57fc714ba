"""What is done before a turn, so that it is short: requests are screened, and what a batch needs is read ahead."""
