"""The recipes: one dataset kind a file, and the row steps they share."""
