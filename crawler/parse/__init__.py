"""What a response reads itself with: charset, selectors, links, refresh."""
