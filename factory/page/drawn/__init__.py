"""What the pages show as pictures, each an SVG in the page's own colours."""
