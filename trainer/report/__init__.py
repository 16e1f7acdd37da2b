"""One HTML page about a ladder of trainings: base, SFT, DPO, RLVR and controls, over one or several seeds."""
