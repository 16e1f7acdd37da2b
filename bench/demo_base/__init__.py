"""Makes the small base model that the demo and some tests begin with."""
