"""Charts as SVG, drawn on the server. What is drawn is safe to put into a page."""
