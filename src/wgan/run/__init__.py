"""One run: its folder, its configuration, what it trains."""
