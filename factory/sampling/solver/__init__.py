"""The engine `solver`: a scripted teacher that works generated tasks out, step by step, and is always right."""
