"""What runs in vLLM's interpreter, which has this folder alone on its path: nothing in it may import ours."""
