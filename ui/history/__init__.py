"""The tab "History": what was drawn, found again, sorted, compared and taken along."""
