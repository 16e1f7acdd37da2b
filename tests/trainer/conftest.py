from tests.tiny_model import tiny_checkpoint

__all__ = ["tiny_checkpoint"]
